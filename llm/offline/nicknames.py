"""Short and pet forms of given names: who is "Tomek" when Tomasz writes."""

_GROUPS = """
    alexander alexandra alex sasha sascha sandy oleksandr oleksandra olek oles сашо сашко саша олександр александр|
    andrew andreas andrzej andriy andy drew андрій андрей|anthony antonio anton tony toni|anna ann annie ania anya
    аня|barbara basia babs barb|benjamin ben benny benji|catherine katherine katarzyna kateryna katie kate kathy
    kasia katya cathy катя катерина|charles charlie chuck|christopher christian krzysztof chris krzys kris|
    christina christine krystyna chrissy tina|daniel daniela dan danny dani|david dave davy|deborah debbie deb|
    dmytro dmitry dmitri dima діма дмитро дима|edward edmund ed eddie ted|elizabeth elisabeth elzbieta liz lizzie
    beth betty ela lisa|francisco francesco franciszek frank franz paco pancho franek|frederick friedrich fred
    freddy fritz|gabriel gabriela gabriele gabe gabi|gregory grzegorz greg grzes|iryna irina ira іра ирина|james
    jim jimmy jamie|jan johannes john johnny hans jasiek janek|joanna joan asia jo|jonathan jon jonny|jose joseph
    josef jozef joe joey pepe jupp|joshua josh|kenneth ken kenny|lawrence laurence larry|leonard leonardo leo len|
    magdalena maggie magda lena|malgorzata margaret margarita gosia maggie meg rita|maria marie mary mariya maja
    marysia masha марія маша|matthew matteo mateusz matthias matt matty|michael michal mikhail mykhailo mike mick
    misha миша міша|mykola nikolai nicholas nicolas niklas nick nico kolya коля микола|natalia natalie nataliya nat
    nata наташа|oleksiy alexey alexei alyosha лёша льоша олексій|patricia patrick pat patty paddy|pavlo pavel paul
    pasha павло паша|peter piotr petro petr pete pit петро|philip philipp filip phil|richard rich rick dick|robert
    roberto rob bob bobby|samuel samantha sam sammy|serhiy sergey sergei sergio serg seryozha сергій сергей|stephen
    steven stefan stepan steve stef|susan susanne zuzanna sue susie zuza|tetiana tatiana tanya tania таня тетяна|
    theodore theo ted|thomas tomas tomasz tom tommy tomek|timothy tim timmy|victoria viktoria vicky vika віка|
    victor viktor vic|vladimir volodymyr vova vlad володя вова володимир|william wilhelm will bill billy willy|
    yevhen eugene evgeny gene zhenya женя євген|yuriy yuri yura юра юрій|zachary zachariah zach zack
"""
_NAMES = [frozenset(group.split()) for group in _GROUPS.split("|")]


def other_forms(name: str) -> frozenset[str]:
    """The other forms of a given name in lower case; none for a name that isn't known."""
    return frozenset().union(*(names for names in _NAMES if name in names)) - {name}
