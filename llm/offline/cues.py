"""The cues by which a sentence asks, promises or records: each pattern ends where its verb phrase begins."""

from dataclasses import dataclass
from typing import Literal

from llm.offline.names import MARK
from llm.offline.patterns import one_line, pattern

ActKind = Literal["record", "assign", "ask", "ask_any", "promise", "plan", "offer", "duty", "idea"]
"""record: a chair's command or a TODO; assign: a third person is named; ask: "can you", "please"; ask_any: "can
someone"; promise: "I'll"; plan: "I need to"; offer: "should I"; duty: "we need to"; idea: "maybe we should"."""


@dataclass(frozen=True)
class Act:
    """One act of a sentence. `phrase` is the verb phrase, `before` what the sentence said ahead of the cue, `named` the
    person that the cue itself names (a mark), `hedged` whether "probably", "maybe" or "hope" stood in it, `instructs`
    whether the same words could explain how something is done ("you need to", an imperative), `bare` that it is an
    imperative to nobody by name."""

    kind: ActKind
    phrase: str
    before: str = ""
    named: str | None = None
    hedged: bool = False
    instructs: bool = False
    bare: bool = False


_ADV = one_line(r"""
    (?:\s+(?:please|pls|plz|kindly|maybe|perhaps|possibly|also|just|quickly|then|still|all|both|probably|definitely|
    actually|at least|instead|now|either|really|gladly|happily|likely|hopefully|certainly|even|at some point|today|
    tomorrow|tonight|personally))*
""")
_ANY = r"(?:someone|somebody|anyone|anybody|one of (?:you|us)|any of you|everyone|everybody|all|folks|people)"
TIME = one_line(r"""
    (?=.*\b(?:today|tonight|tomorrow|this (?:morning|afternoon|evening|week)|next week|(?:mon|tues|wednes|thurs|
    fri)day|by|eod|eow|after (?:lunch|stand-?up|this|that|the|my)|in (?:an?|\d+|half)|before|first thing|
    right (?:after|now|away)|now|later|asap|straight away|once)\b)
""")
"""Looks ahead for a time to come."""
YOU = r"(?:you(?: guys| all| two| both)?|u|y'all|ya)"

DIRECT: tuple[tuple[ActKind, str], ...] = (
    # what a chair or a list writes down
    ("record", rf"""
            ^[#\[(!*]*(?:action(?: item)?s?|todo|ai|task|follow[- ]?up|
            next steps?)[\]):*]*\s*[:\-–—]?\s*[(\[]?(?P<named>{MARK}|(?!(?:all|to)\b)[\w|^\-]+(?=\s+to\s)|
            (?-i:[A-Z][a-z]+)(?=[):,]))[)\]]?\s*[:,\-–—]*\s*(?:to|will|should|:)?(?=\s)
        """),
    ("record", r"""
            ^(?:#action|\[action\]|#todo|\[todo\]|\[task\]|action(?: item)?\s*:|action item\s*[-–—]|todo\s*[:\-–—]|
            follow[- ]?up\s*:|next steps?\s*:|to[- ]do\s*:)(?=\s)(?:\s*(?:all|everyone)\s*[:,])?
        """),
    ("promise", r"""
            \b(?:give|assign|note|put|mark)\s+me\s+(?:down\s+)?(?:for\s+)?(?:an?\s+|the\s+)?(?:action|task|todo|ticket|
            item)(?:\s+item)?\s*(?:to|for|of)\b
        """),
    ("promise", r"\b(?:action|task|assign)\s+me\s+(?:to|with|for)\b"),
    ("assign", rf"""
            \b(?:need|want|have|make|note|add|record|put|an)\s+(?:an?\s+)?(?:action|todo|task)(?:\s+item)?\s+(?:on|
            for)\s+(?P<named>{MARK}|[\w-]+)\s+to\b
        """),
    ("assign", rf"\bgive\s+(?P<named>{MARK})\s+(?:an?\s+|the\s+)?(?:action|task|todo)(?:\s+item)?\s*(?:of|to|for)\b"),
    ("ask", rf"\b(?:give|assign)\s+{YOU}\s+(?:an?\s+|the\s+)?(?:action|task|todo|job)(?:\s+item)?\s*(?:of|to|for)\b"),
    # requests
    ("ask", rf"""
            \b(?:can|could|would|will|can't|couldn't|won't|might)\s+{YOU}(?:\s+be\s+able\s+to|
            \s+be\s+so\s+kind\s+(?:as\s+)?to|\s+mind|\s+like\s+to)?{_ADV}(?=\s)
        """),
    ("ask", rf"""
            \b(?:do|would)\s+{YOU}\s+(?:mind|have\s+(?:the\s+)?(?:time|capacity|cycles)\s+to|think\s+{YOU}\s+(?:can|
            could))(?=\s)
        """),
    ("ask", rf"""
            \b(?:are\s+{YOU}\s+able\s+to|any\s+chance\s+(?:that\s+)?{YOU}\s+(?:can|could)|(?:is\s+it|
            would\s+it\s+be)\s+possible\s+for\s+{YOU}\s+to|think\s+{YOU}\s+(?:can|could))(?=\s)
        """),
    ("ask", rf"""
            \b(?:if\s+{YOU}\s+(?:can|could|would)|i(?:\s+would|'d)?\s+(?:need|want|like|love)\s+{YOU}\s+to|
            {YOU}(?:'ll|\s+will)?\s+(?:need|have)\s+to|{YOU}\s+(?:should|must)(?:\s+probably)?)(?=\s)
        """),
    ("ask", rf"\b(?:how\s+about|what\s+about)\s+(?:{YOU}\s+|finally\s+)?(?=\w+ing\s)"),
    ("assign", rf"\b(?:can|could|would|will)\s+(?P<named>{MARK}){_ADV}(?=\s)"),
    ("assign", rf"""
            (?P<named>{MARK})(?:'s)?(?:\s+(?:should|must|needs?\s+to|has\s+to|will|'ll|is\s+going\s+to|is\s+gonna|
            is\s+to|to|agreed\s+to|volunteered\s+to|promised\s+to|is\s+supposed\s+to)|'ll){_ADV}(?=\s+\w)
        """),
    ("assign", rf"""
            \b(?:assign(?:ing|ed)?|hand(?:ing)?|giv(?:e|
            ing))\s+(?P<lead>[^,.;:?]{{2,80}}?)\s+(?:over\s+)?to\s+(?P<named>{MARK})(?=\s|$|[.,!])
        """),
    ("assign", rf"\bi(?:'d|\s+would)?\s+(?:need|want|like)\s+(?P<named>{MARK})\s+to(?=\s)"),
    ("ask_any", rf"\b(?:can|could|would|will|should|might|may)\s+{_ANY}(?:\s+else)?(?:\s+be\s+able\s+to)?{_ADV}(?=\s)"),
    ("ask_any", rf"""
            \b(?:can|could|would|will)\s+(?:the\s+)?(?:engineering|design|support|devs?|ops|infra|backend|frontend|
            product|marketing|sales|finance|legal|qa|hr|security|data|platform|mobile|\w+\s+(?:team|people|
            folks))(?:\s+(?:team|people|folks))?{_ADV}(?=\s)
        """),
    ("ask_any", r"""
            \b(?:(?:we\s+)?(?:need|want|looking\s+for)\s+(?:a\s+volunteer|volunteers|someone|somebody)\s+(?:to|
            who\s+can)|(?:any\s+)?volunteers?\s+(?:to|for)|who\s+(?:can|could|wants\s+to|would\s+like\s+to|
            is\s+up\s+for|has\s+time\s+to)|any(?:one|body)\s+(?:able|willing|free|available|up)\s+(?:to|for))(?=\s)
        """),
    ("ask", r"(?<![\w'])(?:please|pls|plz|bitte|por favor|будь ласка|пожалуйста)[,:]?(?=\s+[\w@])"),
    ("ask", r"""
            \b(?:kannst du|könntest du|könnt ihr|können sie|kannst du bitte|puedes|podrías|podéis|pueden|чи можеш|можеш|
            зможеш|можете|можешь|сможешь|могли бы|мог бы ты)(?: bitte| por favor| будь ласка| пожалуйста)?(?=\s)
        """),
    # promises
    ("promise", rf"""
            (?<![\w'@])(?:i'll|i\s+will|i\s+shall|i'm\s+going\s+to|i\s+am\s+going\s+to|i'm\s+gonna|imma|i\s+am\s+gonna|
            i'm\s+about\s+to|ill(?=\s+(?:do|take|fix|add|
            update|check|write|send|look|have|make|get)\b)){_ADV}(?=\s)
        """),
    ("promise", rf"""
            ^(?:(?:and|ok(?:ay)?|sure|yes|yeah|yep|right|fine|cool|so|alright|then|but|no\s+problem|
            np)[\s,.:!]*)*(?:will|gonna|going\s+to){_ADV}(?=\s+\w)
        """),
    ("promise", r"""
            (?:^|[,.!;:]\s*|\b(?:ok|okay|sure|yes|so|and|then|right|well)[\s,]+)(?:let\s+me|lemme|happy\s+to|glad\s+to|
            i'm\s+happy\s+to|i'd\s+be\s+happy\s+to|i'd\s+be\s+glad\s+to|i\s+volunteer\s+(?:to|for))(?=\s)
        """),
    ("promise", r"""
            (?<![\w'@])i\s+can(?:\s+definitely|\s+also|\s+certainly|\s+probably|\s+totally|\s+easily|
            \s+gladly)?(?=\s+(?:do|take|handle|write|fix|look|own|help|prepare|draft|add|update|send|set|create|make|
            open|file|review|run|test|pair|pick|start|cover|ask|talk|ping|check|build|implement|put|get|give|move|
            organi[sz]e|schedule|bring|work|have\s+a\s+look)\b)
        """),
    ("promise", r"""
            \b(?:ich mache|ich kümmere mich um|ich übernehme|ich werde|ich schaue mir|yo me encargo de|me encargo de|
            voy a)(?=\s)
        """),
    ("plan", rf"""
            (?<![\w'@])(?:i\s+(?:also\s+|still\s+|just\s+|do\s+|really\s+|will\s+)?(?:need|have|haver|plan|intend|
            ought)\s+to|i've\s+got\s+to|i\s+gotta|i\s+must|i'm\s+(?:also\s+)?planning\s+(?:to|on)|
            i\s+am\s+planning\s+to|my\s+plan\s+is\s+to){_ADV}(?=\s)
        """),
    ("offer", rf"""
            \b(?:shall\s+i|should\s+i|(?:do\s+{YOU}\s+|would\s+{YOU}\s+)?(?:want|like)\s+me\s+to|i\s+could|i\s+should|
            i\s+might|perhaps\s+i|i\s+want\s+to|i'd\s+like\s+to|i\s+hope\s+to|i'm\s+hoping\s+to|
            i'll\s+try(?:\s+to)?){_ADV}(?=\s)
        """),
    # what nobody in particular owes
    ("duty", rf"""
            \bwe(?:'ll|\s+will|\s+do|\s+still|\s+also|\s+really|\s+just)*\s+(?:need|have|ought|got)\s+to{_ADV}(?=\s)|
            \bwe\s+(?:must|gotta){_ADV}(?=\s)|\bwe've\s+got\s+to{_ADV}(?=\s)
        """),
    ("duty", r"\b(?:someone|somebody|one\s+of\s+us)\s+(?:needs\s+to|has\s+to|must|should|ought\s+to)(?=\s)"),
    ("duty", r"\b(?:don't\s+forget\s+to|remember\s+to|make\s+sure\s+(?:to|that\s+you|you|that\s+we|we))(?=\s)"),
    ("duty", r"""
            \b(?:wir müssen|jemand muss|hay que|tenemos que|alguien tiene que|треба|потрібно|нам треба|нужно|надо|
            необходимо|хтось має|кто-то должен)(?=\s)
        """),
    ("idea", rf"""
            \b(?:(?:maybe|perhaps)\s+)?(?:we\s+(?:should|could|might)|should\s+we|can\s+we|could\s+we|shall\s+we|let's|
            lets|how\s+about\s+we|why\s+don't\s+we){_ADV}(?=\s)
        """),
)  # fmt: skip

HANDING_ON = range(2, 7)
"""Which of them hand an action on: they say more than the "please" or "could you" in front of them."""
ANY_CUE = pattern(
    r"""
    \b(?:can|could|would|will|should|must|shall|might|may|need|needs|have|haver|has|please|pls|plz|i'll|ill|'ll|
    going|gonna|gotta|let|lets|let's|lemme|plan|planning|to|for|give|assign\w*|action|todo|task|follow\w*|next|want|
    like|happy|glad|volunteer\w*|remember|forget|sure|mind|who|how|what|any|anyone|anybody|got|hope|hoping|bitte|
    kannst|könntest|könnt|können|puedes|podrías|podéis|pueden|por|ich|wir|jemand|yo|me|voy|hay|tenemos|alguien|imma|
    \w+ing|you|you'll|your|we'll|we're|takers|whose|who's|waiting|time|leave|put|don't|plan|decision|decided|
    agreed|conclusion|outcome|verdict|consensus|i|yours|mine|feel|up|open|ready|makes|asap)\b|→|->|[А-Яа-яІіЇїЄє]|[@#\[]
    """
)
"""A cheap test that no sentence with a cue fails."""
