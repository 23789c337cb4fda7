"""Cues that ask, promise and assign without "can you" and "I'll".

Each is (kind, verb, pattern). The verb is put in front where what the cue leaves is a thing and not an action:
"any takers for the banner?" gives "take on the banner".
"""

from llm.offline.abroad import ASKED, PROMISED
from llm.offline.cues import TIME, YOU, ActKind
from llm.offline.names import MARK
from llm.offline.patterns import one_line

_THING = r"(?:^|(?<=[,.;:!?]\s))(?P<lead>(?!(?:i|we|you|they|he|she|who)\b)[^,.;:?!]{2,80}?)"
_LEAD_IN = one_line(r"""
    ^(?:(?:and|ok(?:ay)?|sure|yes|yeah|yep|right|fine|cool|so|alright|then|but|no problem|np|good)[\s,.:!–-]+)*
""")
_START = r"(?:^|(?<=[,.:;!?–-]\s)|(?<=\bso\s)|(?<=\d\s))"
_NEED = r"\b(?:i|we)(?:'d|'ll|\s+(?:still|also|really|would|will|just))*\s+need"
_BARE_VERBS = (
    "take|do|fix|make|send|write|check|prepare|update|finish|add|push|deploy|call|book|order|handle|clean|test|review|"
    "draft|ask|move|upload|put|bring|start|print|collect|phone|ring|answer|reply|pick"
)
_THIRD_PERSON = (
    "makes|creates|changes|rewrites|moves|sets|adds|removes|investigates|takes|does|owns|handles|gets|drives|covers|writes|sends|prepares|fixes|checks|updates|reviews|books|calls|leads|"
    "finishes|picks|builds|drafts|organi[sz]es|orders|tests|answers|replies|designs|deploys|merges|cleans"
)

INDIRECT: tuple[tuple[ActKind, str, str], ...] = (
    # promises
    ("promise", "", rf"(?<![\w'@])(?:i'm|i am)(?:\s+(?:also|just|then|already))?\s+(?=(?!going\b)\w+ing\s){TIME}"),
    ("promise", "", r"(?<![\w'@])(?:i'm|i am)\s+(?=(?:taking|grabbing|claiming|picking\s+up)\s)"),
    ("promise", "", rf"{_LEAD_IN}(?=(?:taking|grabbing|claiming|picking\s+up|looking\s+into|handling)\s)"),
    ("promise", "", rf"""
        {_LEAD_IN}(?=(?!.*\b(?:is|was|takes|shows|seems|would|should|makes|means|helps)\b)\w+ing\s+(?:it|that|
        this|the|an?|both|them|your|our|up|out)\b){TIME}
    """),
    ("promise", "", rf"""
        (?<![\w'@])i\s+(?:(?:also|then|just|simply)\s+)?(?!.*\b(?:every|usually|always|normally|often|each)\b)
        (?=(?:{_BARE_VERBS})\s+(?:it|that|this|both|them)\b|(?:{_BARE_VERBS})\s+(?!not\b).*{TIME})
    """),
    ("promise", "deliver", r"\byou(?:'ll|\s+will)\s+(?:have|get)\s+(?=[^,.;?]*\b(?:by|tomorrow|today|tonight|on)\b)"),
    ("promise", "take care of", rf"""
        {_THING}\s+(?:is|are|stays|goes|sits)\s+(?:on|with)\s+(?:my\s+(?:list|plate|todo(?:\s+list)?|desk)|me)\b
    """),
    ("promise", "take care of", rf"{_THING}\s+(?:is|are)\s+mine(?=$|[,.;!])"),
    ("promise", "finish", r"""
        \b(?P<lead>those|these|that|this|them|it)\s+i(?:'ll|\s+will)\s+have\s+(?:ready|done|finished)\b
    """),
    ("promise", "take care of", r"""
        \b(?:leave|give)\s+(?P<lead>(?!(?:it|that|this|them)\b)[^,.;?]{3,80}?)\s+(?:to|with)\s+me\b
    """),
    ("promise", "take on", r"\b(?:put|sign|count|pencil)\s+me\s+(?:down|up|in)\s+for(?=\s)"),
    ("promise", "take care of", r"""
        \bi(?:'ve|\s+have)?\s+got\s+(?P<lead>the\s+[^,.;?]{3,60}?)(?:\s+covered|\s+then)?[.!]?$
    """),
    ("promise", "", r"""
        \b(?:i\s+don't\s+mind|i'm\s+up\s+for|i'd\s+be\s+up\s+for|i'm\s+(?:fine|ok|okay|
        good)(?:\s+with)?)\s+(?=\w+ing\s)
    """),
    ("promise", "", r"""
        \bi(?:'ve|\s+have)?\s+(?:promised|agreed|committed|volunteered|offered)\s+(?:(?:\w+|@§\d+)\s+)?to(?=\s)
    """),
    ("plan", "", r"""
        \b(?:my|the)\s+(?:next|first)\s+(?:thing|step|job)(?:\s+for\s+me)?\s+(?:is\s+to|today\s+is\s+to)(?=\s)
    """),
    # requests of somebody
    ("ask", "", r"(?<![\w'])(?:(?:would|do)\s+you\s+|you\s+)?(?:mind|fancy)\s+(?=\w+ing\s)"),
    ("ask", "take on", r"\b(?:are\s+)?you\s+up\s+for(?=\s)"),
    ("ask", "handle", r"""
        \b(?:do\s+you\s+have|have\s+you(?:\s+got)?|got)\s+(?:a\s+(?:free\s+)?(?:hand|minute|moment|slot)|time|capacity|
        an\s+hour)(?:\s+(?:free|spare|left|today))?\s*[,:;–-]\s*(?:to\s+|for\s+|and\s+)?
    """),
    ("ask", "take on", r"\b(?P<lead>it|that|this)(?:'s|\s+is)\s+(?:all\s+)?yours\b"),
    ("ask", "look at", r"""
        \b(?:have\s+you\s+(?:got\s+)?|do\s+you\s+have\s+|you\s+(?:got|have)\s+|got\s+)(?:any\s+|some\s+|
        a\s+bit\s+of\s+)?(?:time|a\s+(?:minute|moment|sec|second)|capacity|bandwidth|five\s+minutes|
        room)(?:\s+(?:today|tomorrow|later|this\s+\w+|next\s+week))?\s+(?:to|for)(?=\s)
    """),
    ("ask", "provide", r"\bany\s+chance\s+(?:of|for)\s+(?:you\s+)?(?:getting\s+)?(?=\w)"),
    ("ask", "", r"\bany\s+chance\s+(?:that\s+)?(?:you|we)(?:'d|\s+(?:can|could|might))?(?=\s)"),
    ("assign", "provide", rf"{_NEED}\s+(?P<lead>(?!to\b|you\b)[^,.;?]{{3,80}}?)\s+from\s+(?P<named>{MARK})"),
    ("ask", "provide", rf"{_NEED}\s+(?P<lead>(?!to\b|you\b)[^,.;?]{{3,80}}?)\s+from\s+you\b"),
    ("duty", "get", rf"""
        {_NEED}\s+(?!an?\s+(?:action|volunteer|todo|task)\b)(?=(?:the|an?|your|those|these|some|new|one|two|three|
        \d+)\s)(?=.*\b(?:by|before|until|till|for)\b)
    """),
    ("assign", "provide", rf"""
        \b(?:waiting\s+(?:for|on)|missing)\s+(?P<lead>[^,.;?]{{3,80}}?)\s+from\s+(?P<named>{MARK})
    """),
    ("ask", "", rf"""
        (?<!do )(?<!did )(?<!if )(?<!when )(?<!can )(?<!could )(?<!would )(?<!should )(?<!will )(?<!as )(?<!that )
        \byou\s+(?=(?:{_BARE_VERBS})\s+(?:the|it|that|this|an?|care|both|over|one)\b)
    """),
    ("ask", "", r"""
        \byour\s+(?:job|task|turn|action|homework|mission)(?:\s+(?:today|now|then))?\s*(?:is\s+to|:|to|–|-)(?=\s)
    """),
    ("ask", "help with", rf"""
        \bwould\s+appreciate\s+(?:it\s+if\s+{YOU}\s+(?:could\s+)?|(?:your\s+|some\s+)?help\s+(?:with|on)\s+)
    """),
    ("ask", "provide", r"\b(?:can|could|may|might)\s+(?:i|we)\s+(?:please\s+)?(?:get|have)(?=\s)"),
    ("ask", "", rf"\b(?:can|could|may|might)\s+i\s+(?:ask|trouble|bother|bug)\s+{YOU}\s+(?:to|for)(?=\s)"),
    ("ask", "take care of", r"\b(?:don't|do\s+not)\s+forget\s+(?:about\s+)?(?=(?:the|your|our)\s)"),
    ("ask", "take on", rf"""
        {_THING}(?:\s+(?:is|are|would\s+be)|(?<=that)'s|(?<=this)'s)\s+(?:all\s+)?(?:yours|(?:one\s+)?for\s+you|
        on\s+you|your\s+(?:job|turn))\b
    """),
    ("ask", "take on", r"""
        \b(?:i've|i\s+have|i'm)\s+(?:put|putting|assigned|assigning)\s+you\s+(?:down\s+for|on|to)(?=\s)
    """),
    ("ask", "take on", r"\byou(?:'re|\s+are)\s+(?:on|down\s+for|in\s+charge\s+of)\s+(?=(?:the|this|that)\s)"),
    ("ask", "take on", r"\bover\s+to\s+you\s+(?:for|with|on)(?=\s)"),
    ("ask", "take on", r"\b(?:leaving|leave)\s+(?P<lead>[^,.;?]{2,80}?)\s+(?:to|with)\s+you\b"),
    ("ask", "take on", r"\bcounting\s+on\s+you\s+(?:for|to)(?=\s)|\byour\s+turn\s+(?:to|for)(?=\s)"),
    ("ask", "help with", r"""
        \b(?:could\s+use|need|needs|would\s+like|want)\s+(?:your|some|a\s+second|another|an\s+extra)\s+
        (?:pair\s+of\s+eyes|eyes|help|input|hand|opinion|sign-?off|approval)\s+(?:on|with|for)(?=\s)
    """),
    ("ask", "", rf"\b(?:would|will)\s+{YOU}\s+be\s+(?:up\s+for|ok\s+with|willing\s+to|happy\s+to)(?=\s)"),
    ("ask", "", r"\bbe\s+so\s+(?:kind|good)\s+(?:as\s+to|and|to)(?=\s)"),
    # assignments to a third person
    ("assign", "take on", rf"""
        (?P<named>{MARK})(?:'s|\s+is)\s+(?:on|in\s+charge\s+of|responsible\s+for|down\s+for)\s+(?=(?:the|this|
        that)\s)
    """),
    ("assign", "", rf"(?P<named>{MARK})(?:\s+(?:then|also|just|now))?\s+(?=(?:{_THIRD_PERSON})\s)"),
    ("assign", "", rf"(?P<named>{MARK})(?:'s|\s+is)\s+(?:also\s+|already\s+|now\s+)?(?=(?!going\b)\w+ing\s)"),
    ("assign", "take on", rf"""
        {_THING}\s+(?:goes|falls|belongs|lands|stays|moves|is|are)\s+(?:to|with|on|for)\s+(?P<named>{MARK})(?=\s|$|
        [.,!])
    """),
    ("assign", "take on", rf"""
        \b(?:putting|put|adding|add)\s+(?P<named>{MARK})\s+(?:on|down\s+for|in\s+charge\s+of)(?=\s)
    """),
    ("assign", "take on", rf"""
        \b(?:passing|moving|leaving|pass|move|leave|hand)\s+(?P<lead>[^,.;:?]{{2,80}}?)\s+(?:over\s+)?(?:to|with|
        for)\s+(?P<named>{MARK})(?=\s|$|[.,!])
    """),
    ("assign", "handle", rf"""
        \b(?P<lead>that|this)(?:'s|\s+is|\s+one\s+is|\s+looks\s+like)?\s+(?:one|something|a\s+job|a\s+task|
        a\s+question)\s+for\s+(?P<named>{MARK})
    """),
    ("assign", "take on", rf"{_THING}\s*(?:->|→|=>)\s*(?P<named>{MARK})(?=\s|$|[.,!])"),
    ("assign", "", rf"(?P<named>{MARK})\s*(?:->|→|=>)(?=\s)"),
    ("assign", "", rf"\b(?:have|get|let|asked)\s+(?P<named>{MARK})\s+(?:to\s+)?(?=\w)"),
    # requests of anybody
    ("ask_any", "take on", rf"""
        {_START}who(?:'s|\s+is)\s+(?:up\s+for|on|going\s+to|gonna)(?=\s)|{_START}who(?:'s|\s+is)\s+(?=(?:doing|
        taking|writing|handling|fixing|sending|booking)\s)
    """),
    ("ask_any", "take on", rf"""
        {_START}who\s+(?:wants|will|feels\s+like)(?=\s)|{_START}who\s+(?=(?:takes|does|owns|writes|handles|fixes|
        sends|books)\s)
    """),
    ("ask_any", "", r"{_START}whose\s+turn\s+is\s+it\s+to(?=\s)"),
    ("ask_any", "take on", r"\btakers\s+for(?=\s)"),
    ("ask_any", "", r"\bany(?:one|body)\s+feel\s+like(?=\s+\w+ing\s)"),
    ("ask_any", "review", r"""
        (?:^|(?<=[,.;:!?]\s))(?P<lead>[^,.;:?!]{0,20}\b(?:pr|mr|pull\s+request|merge\s+request|patch|draft|branch|
        diff)\b[^,;?!]{0,80}?)\s+is\s+(?:up|open|ready)(?:\s+for\s+review)?(?=$|[,.;!])
    """),
    ("ask_any", "", r"""
        \bany(?:one|body)\s+(?:fancy|mind|want\s+to|wants\s+to|happy\s+to|keen\s+to|volunteering\s+to|
        got\s+time\s+(?:to|for))(?=\s)
    """),
    # in Ukrainian and Russian
    ("promise", "", rf"(?<!\w)(?=(?:{'|'.join(sorted(PROMISED))})(?:\s|$))"),
    ("ask", "", rf"(?<!\w)(?=(?:{'|'.join(sorted(ASKED))})(?:\s|$))"),
    # what the group settled
    ("duty", "", r"""
        ^(?:so\s+)?(?:the\s+)?(?:plan|decision|decided|agreed|conclusion|outcome|verdict|
        consensus)(?:\s+is)?\s*[:,–—-]\s*(?:we\s+|to\s+|let's\s+)?(?=\w)
    """),
    ("duty", "", r"""
        \b(?:the\s+)?(?:next\s+step|what's\s+left|only\s+thing\s+left|remaining\s+step)\s+is\s+to(?=\s)|
        \b(?:it's\s+)?(?:high\s+)?time\s+we(?=\s)
    """),
    ("idea", "", r"\bwe(?:'ll|\s+will|'re\s+going\s+to|\s+are\s+going\s+to|'re\s+gonna)(?=\s)"),
)  # fmt: skip
