"""One row of every format, made up: what it looks like, not what it asks."""

MEDMCQA = {
    "id": "m1",
    "question": "Largest organ?",
    "opa": "Liver",
    "opb": "Heart",
    "opc": "Lung",
    "opd": "Skin",
    "cop": 4,
    "exp": "It is the skin.",
    "subject_name": "Anatomy",
}
ARC = {
    "question": {
        "stem": "Why is it warm?",
        "choices": [{"label": "A", "text": "sun"}, {"label": "B", "text": "moon"}],
    },
    "answerKey": "A",
}
ARC_HUB = {
    "question": "Why is it warm?",
    "choices": {"label": ["A", "B"], "text": ["sun", "moon"]},
    "answerKey": "B",
}
GENERIC = {"question": "Which?", "options": ["red", "green"], "label": 1, "context": "Paint."}
MMLU = {
    "question": "Capital of Peru?",
    "subject": "geography",
    "choices": ["Quito", "Lima"],
    "answer": 1,
}
MEDQA = {
    "question": "Which vessel is torn?",
    "answer": "Middle meningeal",
    "options": {"A": "Basilar", "B": "Middle meningeal", "C": "Facial"},
    "meta_info": "step1",
    "answer_idx": "B",
}
SWAG = {
    "video-id": "v1",
    "startphrase": "He lifts the bow. He",
    "sent1": "He lifts the bow.",
    "sent2": "He",
    "gold-source": "gold",
    **{f"ending{n}": f"does thing {n}." for n in range(4)},
    "label": 2,
}
HELLASWAG = {
    "ind": 4,
    "activity_label": "Archery",
    "ctx_a": "A man lifts a bow.",
    "ctx_b": "he",
    "ctx": "A man lifts a bow. he",
    "endings": ["sings.", "shoots.", "sleeps.", "eats."],
    "split": "val",
    "label": "1",
}
RACE = {
    "example_id": "high7.txt",
    "article": "Ann keeps bees.",
    "question": "Ann keeps _ .",
    "options": ["cats", "bees", "dogs", "hens"],
    "answer": "B",
}
SCIQ = {
    "question": "What do plants make in light?",
    "distractor1": "salt",
    "distractor2": "iron",
    "distractor3": "wax",
    "correct_answer": "sugar",
    "support": "Leaves make sugar.",
}
PUBMEDQA = {
    "pubid": 21645374,
    "question": "Does it help?",
    "context": {"contexts": ["We tried.", "It did."], "labels": ["METHODS", "RESULTS"]},
    "long_answer": "It does help.",
    "final_decision": "yes",
}
PUBMEDQA_RAW = {
    "QUESTION": "Does it help?",
    "CONTEXTS": ["We tried.", "It did."],
    "LONG_ANSWER": "It does help.",
    "final_decision": "maybe",
}
MMLU_PRO = {
    "question_id": 70,
    "question": "Which is odd?",
    "options": ["2", "4", "5"],
    "answer": "C",
    "answer_index": 2,
    "category": "math",
}
FRENCHMEDMCQA = {
    "question": "Cocher les propositions exactes :",
    **{f"answer_{letter}": f"proposition {letter}" for letter in "abcde"},
    "correct_answers": ["a", "c"],
}
BOOLQ = {"question": "do bees make honey", "passage": "Bees make honey.", "answer": True}
SEVERAL = {"question": "Which?", "options": ["2", "3", "4"], "label": "A, C", "kind": "several"}
SOFT = {"question": "Is it?", "kind": "yes_no", "targets": [0.75, 0.25], "answer": True}
SYSTEMONE = {
    "state": {"order": 7},
    "questions": {"urgency": {"type": "choice", "criteria": {"low": None, "high": "now"}}},
    "gold": {"urgency": "high"},
}

SAMPLES = (
    MEDMCQA,
    ARC,
    ARC_HUB,
    GENERIC,
    MMLU,
    MEDQA,
    SWAG,
    HELLASWAG,
    RACE,
    SCIQ,
    PUBMEDQA,
    PUBMEDQA_RAW,
    MMLU_PRO,
    FRENCHMEDMCQA,
    BOOLQ,
    SEVERAL,
    SOFT,
    SYSTEMONE,
)
