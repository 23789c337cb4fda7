"""What a message answers: yes, no, done, never mind."""

import re
from typing import Literal

from llm.offline.names import MARK
from llm.offline.patterns import pattern

Stance = Literal["takes", "agrees", "refuses", "done", "withdraws", "defers"]
"""takes: "on it", "leave that to me", clear even when nobody was asked by name; agrees: "sure", "yes"; defers: "not
before summer"."""

_IT = r"(?:it|that|this|them|those|these|this one|that one|both|one|the rest)"
_OPENING = pattern(
    rf"""
    ^(?:(?:{MARK})[\s,:;\-–—]*|(?:oh|ah|hey|hi|hmm+|haha|heh|lol|well|so|and|but|uh|um|er|right|then|hi there|thanks|
    thank you|good (?:catch|point|idea)|oops|whoops|damn|ugh|ouch|sorry about that|sorry for (?:that|the (?:delay|
    noise)))\b[\s,.!:)]*)+
    """
)
_TAKES = pattern(
    rf"""
    (?:^|[\s,.!—–-])(?:(?:i'm |i am |^|(?<=[,.!] ))on it\b|will do\b|
    ^can do\b|go on,? then\b|give (?:it|that|them) to me\b|leave {_IT} (?:to|with) me|consider it done|dibs\b|mine$|
    mine[,.!]|i(?:'ve)? got (?:it|this|that|this one|that one)\b(?! (?:working|from|via|when|at|on|in))|
    i(?:'ll| will| can| could)(?: \w+)? (?:do|take|handle|tackle|own|grab|sort|manage|pick up|take care of|
    look (?:at|into)|get (?:on|to)|deal with|be on|fix|check|chase|cover|have a (?:look|go)(?: at)?|take a (?:look|
    stab|crack|shot)(?: at)?|pick) ?{_IT}\b|i(?:'ll| will| can)(?: \w+)? (?:have a look|take a look|look|
    investigate|volunteer|get right on it|get on that|see to it|see what i can do|take over|check|dig in)\b|
    i(?:'ll| will)(?: \w+)?$|i can$|i can(?=[,.!]|$)|(?:taking|grabbing|picking up|looking into|looking at|
    working on|handling) (?:it|that|this|this one|that one)\b|i volunteer|happy to(?: \w+)?(?: {_IT})?[.!]?$|
    glad to[.!]?$|gladly|i'm (?:already )?(?:doing|handling|taking) {_IT}|put me down|count me in|i (?:take|do|make|
    fix|handle) {_IT}\b|that(?:'s| is| would be|'d be) (?:me|mine|on me|my (?:job|turn|area|department))\b|(?:this|
    that) one(?:'s| is) mine|my turn\b|^me(?:!|\.|$|,| then)|on my (?:list|plate|todo|desk)\b|\w+ing {_IT} (?:now|
    today|tomorrow|right|asap|this|after|in|first|tonight|then|as)\b|consider (?:it|that|this) (?:done|sorted|
    handled)|adding (?:it|that|this) to my|i don't mind|i'd (?:take|do) {_IT}|assign (?:it|that|this) to me|
    mach ich|ich mach(?:e)? das|übernehme ich|kümmere mich|erledige ich|yo me encargo|me encargo|lo hago|
    ya me ocupo|зроблю|сделаю|займусь|займуся|візьму|возьму|гляну|подивлюсь|подивлюся|посмотрю|беру на себе|беру)
    """
)
_AGREES = pattern(
    r"""
    ^(?:sure(?: thing)?|ok(?:ay|ey|ie|i)?|k|kk|yes|yess+|yep|yup|yeah|ya|yea|aye|of course|absolutely|certainly|
    definitely|sounds good|no prob(?:lem)?s?|no worries|np|will|roger|ack|can do|you got it|got it|alright|
    all right|fine|deal|right away|noted|agreed|with pleasure|my pleasure|happy to|gladly|go ahead|please do|do it|
    go for it|that would be (?:great|good|nice|awesome|helpful|lovely)|that'd be (?:great|good|nice|awesome|helpful|
    lovely)|perfect|cool|great|good idea|makes sense|understood|copy that|affirmative|on my list|👍\S*|✅|🫡|👌\S*|
    🙋\S*|✔️?|💪\S*|:(?:\+1|thumbsup|ok_hand|white_check_mark|saluting_face|heavy_check_mark|raised_hand)(?:_all)?:|ja|
    klar|gerne|mach ich|sí|si|vale|claro|por supuesto|так|добре|гаразд|звісно|да|хорошо|конечно|ок|ладно|ага|
    прийнято|принято|домовились|договорились|без проблем|звичайно)(?=$|[\s,.!?:;)~—–-])(?!,? (?:but|although|
    though)\b)
    """
)
_REFUSES = pattern(
    r"""
    ^(?:no|nope|nah|nein|ні|нет)(?=$|[,.!:;]|\s(?:sorry|thanks|thank|i\b|can't|not\b|me\b|dice))|\bi (?:really |
    just |also )?(?:can't|cannot|can not|won't|don't have (?:the |any |enough )?(?:time|capacity|bandwidth|cycles|
    access|permission|rights)|have no (?:time|capacity|bandwidth|cycles)|won't have (?:the |any )?time|
    won't be able|am unable|am not able|couldn't)\b|\bi'm (?:not (?:going to|gonna|doing|able|the right|available|
    touching)|swamped|slammed|too busy|fully booked|underwater|out (?:of office|until|till|all|on|tomorrow|today|
    this|next)|on (?:vacation|holiday|leave|pto)|away|off (?:today|tomorrow|until|this|next)|buried)\b|
    \b(?:no (?:time|capacity|bandwidth)|not (?:me|mine|my (?:job|area|thing|call)|doing (?:that|this|it)|today|
    this week|happening|worth it|now)\b|rather not|i'll pass|hard pass|no way|no chance|count me out|no can do|
    sorry,? no\b|afraid not|hands (?:are )?full|up to my (?:ears|neck)|booked (?:out|solid)|drowning|(?:i'm|
    i am) (?:against|not keen|not convinced)|not keen|don't (?:love|like) (?:it|that|this|the idea)|no (?:budget|
    appetite)|i don't think so|bad idea|terrible idea|we (?:decided|agreed|chose|said) (?:not|against)|
    wouldn't (?:do|touch|bother|go)|won't happen|not for us|i'd prefer not|too much on my plate|don't think (?:i|
    we) (?:can|should)|ask someone else|find someone else|keine zeit|no puedo|не можу|не могу|не встигаю|не успеваю)
    """
)
_DONE = pattern(
    r"""
    \balready (?:did|done|fixed|merged|deployed|sent|have|exists?|there|in place|is|was|live|on|submitted|updated|
    took|handled|shipped|filed|got|up|out|released|reported|added|pushed|reviewed|renewed|rotated|answered|paid|
    booked|been)\b|^(?:(?:and|all|it's|its|it is|that's|that is|this is|just|now|ok|okay|yes|yep|sure|both|i'm|i|we|
    i've|we've|i have)[\s,]+)*(?:done|fixed|merged|deployed|pushed|sent|finished|completed|uploaded|restarted|
    updated|shipped|resolved|sorted|released|renewed|rotated|reviewed|reverted|rolled back|took care of|
    taken care of|ready now)\b(?! (?:by|soon|next|before|when|if|until|would|with|deal))|\b(?:i|we|@§\d+) (?:just |
    already |have |'ve )*(?:did|fixed|merged|deployed|pushed|sent|finished|uploaded|closed|solved|resolved|shipped|
    renewed|rotated|reverted|answered|reviewed|booked|rolled) (?:it|that|this|them|those|these|both|the one|
    yesterday|last|earlier|this morning|on (?:mon|tue|wed|thu|fri))\b|\b(?:i|we)'ve (?:just |already |
    now )+\w+(?:ed|en|nt|ne|ut)\b|\b(?:has|have) (?:just |already )(?:been )?\w+(?:ed|en|nt|ne)\b|\b(?:was|were|got|
    is) (?:already )?(?:fixed|merged|done|deployed|shipped|resolved|released) (?:in|on|last|yesterday|already|
    this morning|earlier|by)\b|\b(?:schon erledigt|ya está|вже зробив|вже зроблено|уже сделал|уже сделано|готово)\b
    """
)
_WITHDRAWS = pattern(
    r"""
    \b(?:never ?mind|nvm|nevermind|scr(?:ap|atch) (?:that|it|this)|not doing it|
    forget (?:it|that|about it|about that|what i said|
    i (?:said|asked))|ignore (?:that|me|it|this|my last)|cancel that|strike that|disregard (?:that|my|it|this)|
    false alarm|no need(?: to| for|$|[,.!])|not needed (?:any ?more|after all)|no longer (?:needed|necessary|
    relevant)|don't bother|hold off|(?:let's|lets) (?:not|drop (?:it|that|this)|skip (?:it|that|this)|leave it|
    park (?:it|that|this))|please don't|just kidding|kidding|jk\b|j/k|only joking|i'm joking|was a joke|
    i take (?:it|that) back|on second thoughts?|changed my mind|solved itself|works (?:now|again)|it works now|
    my (?:mistake|bad), |don't worry about (?:it|that)|not necessary|unnecessary|hat sich erledigt|vergiss es|
    olvídalo|забудь|не треба|не надо|неважно|неважливо)(?=$|\W)
    """
)
_DEFERS = pattern(
    r"""
    \b(?:(?:let's|lets|we can|we'll|
    i'd) (?:revisit|postpone|wait|come back to|think about|discuss|talk about|see|look at (?:it|that|this) again)|
    parking (?:it|that|this)|(?:it|that|this) can wait|can wait\b|another time|some other time|not (?:now|yet|
    this (?:week|sprint|quarter|month|year)|before|until|a priority|worth (?:it|the))|(?:next|after) (?:quarter|
    year)|maybe (?:later|after|next|one day|some day)|(?:put|goes|leave|keep) (?:it|that|this) (?:in|on|
    for) (?:the )?(?:backlog|ice|hold|later|icebox)|on (?:ice|hold)\b)(?=$|\W)
    """
)
_MOCKING = pattern(
    r"""
    🙄|🙃|\B/s\b|\b(?:yeah,? right|sure,? because|as if\b|oh (?:great|sure|joy|wonderful)|just kidding|jk\b|j/k\b|
    kidding|not!$|what could (?:possibly )?go wrong|good luck with that|brilliant idea|genius|in my (?:copious|
    infinite) (?:free|spare) time|sarcasm|totally not|let me just drop everything|with my magic wand|
    because that (?:always|never|worked|went)|what a (?:great|brilliant|wonderful) idea)|^(?:sure|yeah|right|great|
    oh|yes)\b[^.!?]{0,12}\bi'll just\b|\b(?:rewrite|reimplement|port|redo|rebuild|migrate) (?:it |the |this |our |
    that )?(?:whole |entire |everything|it all|universe|kernel)[^.!?]{0,60}\b(?:rust|cobol|assembly|assembler|
    brainf\w+|fortran|haskell|perl|tonight|weekend|lunch|afternoon|five minutes|by lunch)\b
    """
)
_UNOWNED = pattern(
    r"""
    \b(?:neither of us|none of us|without (?:a name|an owner|an assignee)|no owner|unassigned|whoever (?:gets|has|is|
    finds|wants)|leave it open|leaving it open|(?:don't|not|no idea) (?:\w+ )?(?:know |sure )?(?:yet )?who(?:'ll| will|
    has|$|,)|first come)\b
    """
)
_UNWILLING = pattern(
    r"\b(?:no|not|never|can't|cannot|won't|don't|unfortunately|rather|sorry|afraid|doubt|impossible)\b"
)
_LAUGHING = re.compile(r"\b(?:lol|rofl|lmao|haha+|hehe+)\b|😂|🤣|😜|😝|:-?[Pp](?:\s|$)|:-?D(?:\s|$)", re.IGNORECASE)


def opening(text: str) -> str:
    """A sentence without the names and noises that it begins with."""
    return _OPENING.sub("", text).strip()


def stance_of(text: str) -> Stance | None:
    """What one sentence answers, None when it answers nothing."""
    body = opening(text)
    if not body:
        return None
    if is_mocking(text):
        return None
    if _WITHDRAWS.search(body):
        return "withdraws"
    if _DONE.search(body) and not body.endswith("?"):
        return "done"
    if (
        _TAKES.search(body)
        and not _REFUSES.match(body)
        and not re.search(r"\b(?:if|can't|cannot|won't|not)\b", body[:24], re.IGNORECASE)
    ):
        return None if body.endswith("?") and not _AGREES.match(body) else "takes"
    if _REFUSES.search(body):
        return "refuses"
    if _DEFERS.search(body):
        return "defers"
    return "agrees" if _AGREES.match(body) else None


def sounds_unwilling(text: str) -> bool:
    """Whether a sentence has a word that turns things down, whatever it says."""
    return _UNWILLING.search(text) is not None


def is_mocking(text: str) -> bool:
    """Whether a sentence doesn't mean what it says."""
    return _MOCKING.search(text) is not None


def leaves_unowned(text: str) -> bool:
    """Whether a sentence says that work stays without an owner for now."""
    return _UNOWNED.search(text) is not None


def is_laughing(text: str) -> bool:
    return _LAUGHING.search(text) is not None
