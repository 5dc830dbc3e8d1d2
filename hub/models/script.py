"""The script of `builtin/eliza`: what it listens for, and what it then says. Data only.

The method is Weizenbaum's (Communications of the ACM 9(1), 1966); the words are ours.
"""

from __future__ import annotations

from hub.models.rules import Rule, Script, on, when

FAMILY = "mother|father|mum|mom|dad|sister|brother|wife|husband|son|daughter|parents|family"
TROUBLE = "bug|error|problem|issue|outage|crash|broken|fails|failed|failing|stuck|slow"
GLAD = "happy|glad|proud|relieved|excited|pleased|calm"
LOW = "sad|unhappy|tired|worried|afraid|anxious|angry|lonely|upset|stressed|nervous"
MACHINE = "computer|computers|machine|machines|robot|robots|bot|bots|ai|model|models"

KEYWORDS = (
    on(
        MACHINE,
        50,
        when(
            "*",
            "You said “{quote}”, and machines are in it; is that a hope of yours or a fear?",
            "I am one of those myself, so tell me plainly: what should I make of “{quote}”?",
            "Suppose no machine had any part in it; would “{quote}” still be on your mind?",
        ),
    ),
    on(
        "remember|recall",
        8,
        when(
            "* i remember|recall +",
            "What brings {4} back to you just now, of all the things you could recall?",
            "When you think of {4}, what else comes up that you have not yet told?",
            "Has {4} changed in your memory, or is it as sharp as on the first day?",
        ),
        when(
            "* you remember|recall +",
            "Did you expect me to have forgotten {4}, or do you want it put another way?",
            "What about {4} should I be keeping in mind while we go on talking here?",
        ),
    ),
    on(
        "dream|dreamed|dreamt|dreams",
        7,
        when(
            "* i dream|dreamed|dreamt of|about +",
            "And if you woke tomorrow and {5} were simply real, what would you do first?",
            "Was {5} ever in your thoughts by daylight, before it came to you in a dream?",
        ),
        when(
            "*",
            "You tell me “{quote}”; which person or place in that dream stays with you longest?",
            "Dreams borrow from the day; what happened lately that resembles “{quote}” to you?",
        ),
    ),
    on(
        "if",
        6,
        when(
            "* if +",
            "How likely is it, as you see things today, that {3} will ever come about?",
            "Let us pretend for a moment that {3}; what is the next thing you would do?",
            "Is it a wish or a worry for you when you say “if {3}” like that?",
        ),
    ),
    on(
        FAMILY,
        6,
        when(
            f"* my {FAMILY} *",
            "Your {3} {4}, you tell me; how was it between the two of you before that?",
            "Who besides your {3} would notice it, when it comes to “{quote}”, do you think?",
            "If your {3} were reading this room, would “{quote}” come as a surprise?",
        ),
    ),
    on(
        TROUBLE,
        6,
        when(
            f"* i am {TROUBLE} *",
            "What did you try last before you found yourself {4} {5}, and what did it show?",
            "Being {4} {5} can be a place to rest; what would the smallest next step be?",
        ),
        when(
            f"* {TROUBLE} *",
            "When did you first notice “{quote}”, and what had changed shortly before it did?",
            "Who is hit hardest by “{quote}”, and what have they done about it so far?",
            "If “{quote}” were gone by tomorrow, how would you be able to tell for certain?",
        ),
    ),
    on(
        "feel|feeling|felt|feels",
        5,
        when(
            "* i feel|felt +",
            "Does the feeling that you are {4} visit often, or is today the exception to you?",
            "You feel {4}; at which hour of the day is that strongest, would you say?",
            "Tell me about the last time you felt {4} and it passed sooner than expected.",
        ),
        when(
            "*",
            "There is a feeling in “{quote}”; could you name it with one single word of yours?",
            "Where do you notice it first when you say a thing such as “{quote}” aloud?",
        ),
    ),
    on(
        f"{GLAD}|{LOW}",
        5,
        when(
            f"* i am * {GLAD} *",
            "What part of being {5} {6} was your own doing, and what part was plain luck?",
            "It is good to hear you are {5} {6}; whom else have you told about it?",
        ),
        when(
            f"* i am * {LOW} *",
            "I am sorry you are {5} {6}; what would make it one degree lighter today?",
            "How long have you been {5} {6}, and who around you has noticed it so far?",
            "If a good friend told you they were {5} {6}, what would you say to them?",
        ),
    ),
    on(
        "because",
        4,
        when(
            "* because +",
            "Suppose {3} were not the reason at all; what would be the second best one?",
            "Is {3} the whole of the reason, or only the part that is easy to say?",
        ),
    ),
    on(
        "want|need|wish|hope",
        4,
        when(
            "* i|we want|need|wish|hope +",
            "What would be different for you, next week say, if you really got {4}?",
            "Who else stands to gain if it comes to {4}, and who might object to it?",
            "Of everything you could {3}, why {4}, and why just at this very moment?",
        ),
    ),
    on(
        "can't|couldn't|won't",
        4,
        when(
            "* i|we can't|couldn't|won't +",
            "What exactly would happen, step by step, on the day you did {4} after all?",
            "Is it that you may not {4}, or that you have not found the way yet?",
        ),
    ),
    on(
        "think|believe|guess|suppose",
        3,
        when(
            "* i think|believe|guess|suppose +",
            "What did you see or hear that made you settle on this: {4}?",
            "And what would have to happen for you to doubt, even a little, that {4}?",
            "Does everybody here agree that {4}, or are you the first to say it?",
        ),
        when(
            "* do you think|believe +",
            "My own view of it matters less than yours; what is your guess: {5}?",
            "You would like me to decide about {5}; what leans you one way already?",
        ),
    ),
    on(
        "can|could|would|please|help",
        3,
        when(
            "* can|could|would you +",
            "Before I {4}, tell me what you would do with the answer once you had it.",
            "What makes it hard to do without me, so that you ask whether I {2} {4}?",
            "I might {4}, or I might not; which of the two would surprise you more?",
        ),
        when(
            "* can|could i|we +",
            "Whose permission do you have in mind, when you ask whether you {2} {4}?",
            "And on the day you {4}, what is the first thing that you would notice?",
        ),
        when(
            "* please|help +",
            "I am listening; what is the part of “{3}” that weighs on you the most?",
            "Say a little more about {3}, as if I had only just walked into the room.",
        ),
    ),
    on(
        "always|never|everybody|everyone|nobody",
        3,
        when(
            "*",
            "Is there really no exception to “{quote}”, not even one from the past few weeks?",
            "When you say “{quote}”, which one occasion do you have before your eyes right now?",
        ),
    ),
    on(
        "i|i'm",
        2,
        when(
            "* i am +",
            "How long have you been {4}, and what was it like just before that began?",
            "Would the people who know you best also say that you are {4}, I wonder?",
            "You are {4}; is that something you chose, or something that came over you?",
        ),
        when(
            "* i +",
            "You {3}, so you tell me; what led up to that, and what followed it?",
            "What would it mean to you if, from tomorrow on, it were no longer so that you {3}?",
            "Is it new for you that you {3}, or has it been so for long?",
        ),
    ),
    on(
        "you|your|you're",
        2,
        when(
            "* you are +",
            "What have I said or done that makes you think that I am {4}?",
            "Perhaps I am {4}, and perhaps not; how would things between us change with it?",
        ),
        when(
            "* are you +",
            "Would it help you in any way to know for certain whether I am {4}?",
            "Why does it matter to you today, of all days, whether I am {4}?",
        ),
        when(
            "* your +",
            "You ask about my {3}, and I would rather hear about yours; will you tell me?",
            "What is it about my {3} that caught your attention at this very moment?",
        ),
        when(
            "* you +",
            "We were speaking of you, and now it is that I {3}; what lies behind that?",
            "And if it were true that I {3}, what would you want to ask me next?",
        ),
    ),
    on(
        "my|our",
        2,
        when(
            "* my|our +",
            "Your {3}: what is the first thing that anyone should know about it, do you think?",
            "Why do you bring up your {3} here, and who else has a stake in it?",
            "What would you like to be able to say about your {3} a year from now?",
        ),
    ),
    on(
        "what|how|why|when|where|who|which",
        1,
        when(
            "* what|how|why|when|where|who|which +",
            "You ask “{2} {3}”; what answer would please you the most, if you could pick one?",
            "Which answer to “{2} {3}” have you already tried on, and how did it fit you?",
            "Who else have you asked “{2} {3}”, and what was missing from what they said?",
        ),
    ),
    on(
        "yes|yeah|sure|ok|okay|right",
        1,
        when(
            "*",
            "You say “{quote}” rather quickly; what would the longer version of that answer be?",
            "Good, “{quote}” it is; and what follows from that for you, in practice, today?",
        ),
    ),
    on(
        "no|nope|not",
        1,
        when(
            "*",
            "“{quote}”, you say; what would it take to turn that around, even only in part?",
            "I hear a no in “{quote}”; to whom would you most like to say it?",
        ),
    ),
    on(
        "thanks|thank",
        1,
        when(
            "*",
            "You are welcome; before we leave “{quote}” behind, what will you do with all this?",
            "Gladly; and when you say “{quote}”, is there something you have left unsaid today?",
        ),
    ),
    on(
        "hello|hi|hey|greetings|morning|evening",
        0,
        when(
            "*",
            "Hello, and thank you for “{quote}”; what would you like to talk about here today?",
            "Good to see you again; after “{quote}”, what is the next thing on your mind?",
        ),
    ),
)

SCRIPT = Script(
    keywords=KEYWORDS,
    memory=Rule(
        "* my|our +",
        (
            "Earlier you said “your {3}”; does what you say now have to do with that?",
            "Let me go back to “your {3}”; how do the two things belong together?",
            "A while ago I heard “your {3}” from you; has that been settled since then?",
        ),
    ),
    unknown=(
        "You bring up “{quote}”, and I would like to hear what makes it matter to you.",
        "Take “{quote}” a little further for me, in whatever direction it leads you from here.",
        "If somebody else in this room had said “{quote}”, what would you have asked them next?",
        "What comes right before “{quote}”, in the order in which these things happened to you?",
    ),
    wordless=(
        "You have sent me something without words; what would it say if it could speak?",
        "I see that, and I wonder which words you would choose if you had to choose some.",
    ),
    tails=(
        "And where does {words} come into it?",
        "Tell me also what you mean by {words} here.",
        "I have not forgotten that you mentioned {words} as well.",
    ),
)
