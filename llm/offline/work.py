"""Which verb phrases are work: something that can be done and checked off."""

from llm.offline.abroad import INFINITIVE
from llm.offline.cues import ActKind
from llm.offline.patterns import pattern, word_set
from llm.offline.phrases import first_word, words
from llm.offline.verbs import base_of, is_verb

_NOT_TASKS = word_set("""
    agree admit assume be become believe bet bite come confess defer die disagree doubt eat expect feel fear
    forget forgive go goto guess happen hate have hear hope imagine join keep know laugh leave let lie like live
    love mean mind miss need never not note notice object own point pray presume prefer promise quote reckon
    regret remember remind say see seem settle shut sleep spare stand stay stop stress suffer suggest suppose
    survive swear think trust understand wait wake want wish wonder worry wait appear attend excuse handwave
    quit rest spew sit regain return head enjoy depend rather
""")
_TASKS_AFTER_ALL = pattern(
    r"""
    ^(?:have (?:\w+ ){1,5}?(?:ready|done|finished)\b|
    have (?:a |another |an? \w+ )?(?:look|go at|chat|word|pass|that|it|this|the)\b|keep (?:an |on )?eye|
    keep track|own (?:the|this|that|it)|go (?:over|through)|see (?:to|whether|if|what|about)\b|come up with|
    be (?:on|the|scribe|responsible|taking|doing|working|adding|writing|sending|fixing|trying|dropping|finishing|
    updating|uploading|looking|testing|releasing|starting|submitting|moving|reviewing|posting|preparing|handling)\b|
    leave (?:a|the) (?:comment|note|review)|remind (?:\w+|@§\d+)|suggest (?:a|the|some)|note (?:down|it|that|the|
    this)|return (?:the|this|that)|stop the|head up|let (?:@§\d+|the \w+|them|everyone|\w+s) know|go ahead)
    """
)
_IDLE = pattern(
    r"""
    ^(?:(?:have|take|grab|get|go (?:get|for|to)|make) (?:a |an |my |some |the )?(?:lunch|dinner|breakfast|coffee|
    tea|nap|break|shower|drink|beer|cup|vacation|holiday|bed|sleep|day off|few days off|food)\b|(?:let (?:me|us|
    you)(?: all| guys)? know|tell (?:you|me|us) (?:when|if|what|how|why|where|which|that|more|about)|give (?:me|us|
    you) a (?:sec|second|minute|moment|shout|ping)|bear with|hang on|hold on|excuse|see (?:you|ya|above|below|also)|
    get back to (?:you|it|this|work)|take (?:a |your )?(?:time|care(?! of)|break|it easy)|find attached|feel free|
    note that|ignore|calm|remember that|be (?:back|there|here|late|away|out|off|around|in|able|careful|patient|
    aware|right|afk|ready|quick|brief|honest|fair|so|sure)\b|keep in mind|move on|get started|start (?:the|
    this) meeting|go (?:ahead|first|on|next|for it|with)|begin|continue|wait|do (?:my|our|your) best|try (?:my|
    our) best|put it (?:this|that) way|get (?:it|that|this|you)$|add that|just say|read the (?:backlog|scrollback)|
    talk (?:to (?:you|ya) )?(?:later|soon|afterwards?)|catch (?:you|up)|keep (?:me|us|you) (?:posted|updated)|
    use (?:it|that|this)$|reconsider|paste$|ask (?:you|me)\b|say\b))
    """
)
_FUNCTION_WORDS = word_set("""
    a an the that this these those it its to of in on at for from with and or but if so as i you he she we they
    me my your no yes all any some there then when what how why who where which like very too by about up out
    not also more much many most been being is are was were am do does did has had less such can could
    will would should may might must shall not
""")
_NOT_DOING = pattern(r"\w+ (?:not|n't|never)\b")


def is_work(kind: ActKind, phrase: str) -> bool:
    """Whether the phrase of an act of this kind is something that can be done and checked off."""
    head = first_word(phrase)
    if len(phrase) < 2 or not head or _IDLE.match(phrase):
        return False
    if kind == "record":
        return len(phrase) >= 4
    if _TASKS_AFTER_ALL.match(phrase):
        return True
    if head in _NOT_TASKS:
        return False
    if is_verb(head):
        return not _NOT_DOING.match(phrase)
    if head in INFINITIVE or head in INFINITIVE.values():
        return len(words(phrase)) >= 2
    if kind in ("assign", "idea") or (kind in ("duty", "ask_any") and head.isascii()):
        return False
    return len(words(phrase)) >= 3 and head.isalpha() and not base_of(head) and head not in _FUNCTION_WORDS
