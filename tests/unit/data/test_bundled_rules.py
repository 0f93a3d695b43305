"""What a critical reader asks of the bundled questions: one right option, true stems, no hints."""

import itertools
import re
from collections import defaultdict

import pytest
import yaml
from bundled_tables import FOLDER, KINDS, TABLES, asked, columns, phrasing, rivals, row_of

from mcqa.data.bundled import SPLITS, bundled_questions, fact_of
from mcqa.data.bundled.tables import load_kinds

# Pairs of rows of which the answer of one is right, or arguable, for the other.
ALSO_RIGHT = {
    "antonyms": [("ancient", "early"), ("strong", "rich"), ("fast", "tight"), ("deep", "heavy")],
    "currencies": [("Ukraine", "Russia")],
    "element_facts": [
        ("calcium", "magnesium"),
        ("chlorine", "oxygen"),
        *itertools.product(["tin"], ["copper", "silicon", "aluminium", "lead", "zinc"]),
    ],
    "enzymes": [
        ("helicase", "RNA polymerase"),
        ("hexokinase", "glycogen phosphorylase"),
        ("urease", "carbonic anhydrase"),
        ("alcohol dehydrogenase", "catalase"),
    ],
    "instruments": [
        ("a voltmeter", "an electroencephalograph"),
        ("a voltmeter", "an electrocardiograph"),
        ("a voltmeter", "a pH meter"),
    ],
    "materials": [("tofu", "cheese")],
    "organ_functions": [("red bone marrow", "the liver")],
    "sciences": [("botany", "mycology")],
    "signs": [
        ("a barking cough and a hoarse voice", "a grey membrane over the tonsils"),
        ("a barking cough and a hoarse voice", "Koplik spots"),
        ("swan-neck deformity of the fingers", "silvery scales on the elbows and knees"),
        ("Osler's nodes on the fingertips", "a butterfly rash on the face"),
    ],
    "specialists": [
        ("a pulmonologist", "an allergist"),
        ("an oncologist", "a radiologist"),
        ("an oncologist", "a dermatologist"),
        ("a paediatrician", "an orthodontist"),
    ],
    "synonyms": [("plentiful", "big"), ("evil", "ill"), ("lucky", "rich")],
    "young_animals": [("deer", "goat"), ("fox", "dog"), ("fox", "seal"), ("fox", "cat")],
}

# What is not true of every row of a table, or is not said so, and why.
NOT_SAID = {
    "animal_classes": "zoologist",  # who counts birds among reptiles
    "body_names": "do doctors call",  # they say thumb
    "currencies": "money do people use",  # several
    "deficiencies": "caused|causes|leads to",  # insulin, cortisol, dopamine: a part of the disease
    "hormones": "main source",  # the hypothalamus makes what the posterior pituitary releases
    "medical_terms": 'mentions [^"]',  # a word that is spoken of stands in quotes
    "muscles": "supplied by",  # a nerve for feeling supplies a muscle too
    "pathogens": "[Ii]nfection",  # botulism is a poisoning, scabies an infestation
    "rivers": "the river {river}",  # the Thames
    "tools": "need for",  # a compass is used for finding north
}

# Countries that have built or are building a new capital.
MOVING = {"Egypt", "Equatorial Guinea", "Indonesia", "Iran"}

# Facts of two tables that share words but not what is asked.
DIFFERENT = {
    frozenset(pair)
    for pair in [
        ("body_names/oesophagus", "organ_functions/the-oesophagus"),
        ("deficiencies/growth-hormone", "hormones/adrenocorticotropic-hormone"),
        ("deficiencies/growth-hormone", "hormones/luteinising-hormone"),
        ("hormones/gastrin", "inflammations/gastritis"),
        ("inflammations/myocarditis", "medical_terms/myocardial-infarction"),
        ("medical_terms/haematemesis", "specialists/a-haematologist"),
        ("medical_terms/haematuria", "specialists/a-haematologist"),
        ("organ_functions/the-pulmonary-artery", "specialists/a-pulmonologist"),
    ]
}


@pytest.fixture(scope="module")
def splits():
    return {split: bundled_questions(split) for split in SPLITS}


@pytest.fixture(scope="module")
def questions(splits):
    return [question for split in SPLITS for question in splits[split]]


@pytest.fixture(scope="module")
def same_facts():
    return yaml.safe_load((FOLDER / "same_facts.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ALSO_RIGHT)
def test_what_would_be_right_too_is_a_rival(kind):
    rows = {row[next(iter(row))]: row for row in TABLES[kind]}
    for one, other in ALSO_RIGHT[kind]:
        one, other = rows[one], rows[other]
        named = rivals(one) & set(columns(other).values()) | rivals(other) & set(
            columns(one).values()
        )
        assert named, (one, other)


@pytest.mark.parametrize(("one", "other"), [("a bird", "a reptile"), ("an insect", "a crustacean")])
def test_a_class_is_never_beside_the_one_it_belongs_to_by_descent(questions, one, other):
    """Birds are reptiles, and insects crustaceans, to who classifies by descent."""
    class_of = {row["animal"]: row["class"] for row in TABLES["animal_classes"]}
    for question in questions:
        if question.id.startswith("animal_classes/"):
            classes = {class_of.get(option, option) for option in question.options}
            right = row_of(question)["class"]
            assert right not in (one, other) or not {one, other} <= classes, question


@pytest.mark.parametrize("kind", NOT_SAID)
def test_a_phrasing_says_no_more_than_is_true_of_every_row(kind):
    for entry in KINDS[kind]["phrasings"]:
        assert not re.search(NOT_SAID[kind], entry["stem"]), entry


def test_no_country_is_moving_its_capital():
    assert not {row["country"] for row in TABLES["capitals"]} & MOVING


def test_a_sign_is_not_another_name_of_its_disease():
    names = {"a clouded lens of the eye", *(row["disease"] for row in TABLES["pathogens"])}
    assert "lockjaw" in names
    assert not {row["sign"] for row in TABLES["signs"]} & names


def test_inflammations_end_alike():
    assert all(row["disease"].endswith("itis") for row in TABLES["inflammations"])


def test_no_young_animal_is_named_after_its_kind():
    """A piglet among the options says which animal it does not belong to."""
    for row in TABLES["young_animals"]:
        assert row["animal"] not in row["young"], row
        assert row["young"] not in row["animal"], row


def test_only_the_answer_shares_no_letters_with_the_stem(questions):
    """The key alone may not hold five letters in a row of what a table puts in the stem."""

    def runs(text):
        words = (re.sub("[^a-z]", "", word) for word in re.split(r"[\s-]", text.casefold()))
        return {word[start : start + 5] for word in words for start in range(len(word) - 4)}

    given_away = []
    for question in questions:
        shown = row_of(question)
        given = [name for name in columns(shown) if "{" + name + "}" in phrasing(question)["stem"]]
        of_stem = set().union(*(runs(shown[name]) for name in given))
        sharing = {option for option in question.options if runs(option) & of_stem}
        if sharing == {question.answer}:
            given_away.append(question.id)
    assert given_away == []


def test_an_initial_does_not_give_a_symbol_away(questions):
    for question in questions:
        if question.id.startswith("symbols/"):
            initial = next(
                row_of(question)[name][0].casefold()
                for name in ("element", "symbol")
                if name != phrasing(question)["asks"]
            )
            alike = {option for option in question.options if option[0].casefold() == initial}
            assert alike != {question.answer}, question


@pytest.mark.parametrize("kind", ["astronomy", "element_facts", "proverbs", "symbols"])
def test_in_a_table_of_several_categories_every_row_has_a_group(kind):
    groups = defaultdict(list)
    for row in TABLES[kind]:
        groups[row["group"]].append(row)
    assert all(groups), "a row without a group"
    assert all(len(rows) > 1 for rows in groups.values()), "a group of one"


def test_wrong_options_are_of_the_answer_s_group_while_there_are_any(questions):
    checked = 0
    for question in questions:
        kind, asks, rows = asked(question)
        fact = row_of(question)
        if fact.get("group"):
            own = set(columns(fact).values())
            right = {row[asks] for row in rows} | {
                row[asks]
                for row in TABLES[kind]
                if rivals(fact) & set(columns(row).values()) or rivals(row) & own
            }
            alike = {row[asks] for row in TABLES[kind] if row["group"] == fact["group"]} - right
            wrong = set(question.options) - {question.answer}
            assert len(wrong & alike) == min(len(wrong), len(alike)), question
            checked += 1
    assert checked > 200


def test_no_stem_is_asked_in_two_splits(splits):
    """Of two splits, it would have two keys: a hormone of the kidneys learnt, another asked."""
    asked_in = defaultdict(set)
    for split in SPLITS:
        for question in splits[split]:
            asked_in[question.stem.casefold()].add(split)
    assert [stem for stem, where in asked_in.items() if len(where) > 1] == []


def test_a_fact_of_two_tables_is_known_as_such(same_facts):
    """It is one if half the words of each column of one fact stand in the other."""

    kind_of, columns_of, holding = {}, {}, defaultdict(set)
    for kind in load_kinds():
        for fact in kind.facts:
            kind_of[fact.id] = kind.name
            columns_of[fact.id] = [_words(value) for value in fact.values.values()]
            for word in set().union(*columns_of[fact.id]):
                holding[word].add(fact.id)

    found = set()
    for one, own in columns_of.items():
        for other in set().union(*(holding[word] for words in own for word in words)):
            there = set().union(*columns_of[other])
            repeated = all(words and len(words & there) * 2 >= len(words) for words in own)
            if repeated and kind_of[one] != kind_of[other]:
                found.add(frozenset([one, other]))
    listed = {frozenset(pair) for ids in same_facts for pair in itertools.combinations(ids, 2)}
    assert found == listed | DIFFERENT


def _words(text):
    """Return the words by which two facts are compared, cut to the part that does not inflect."""
    words = {word[:6] for word in re.findall("[a-z]{3,}", text.casefold())}
    return words - {"and", "for", "from", "its", "out", "the", "with"}


def test_a_fact_of_two_tables_is_only_trained_on(splits, same_facts):
    ids = [id for group in same_facts for id in group]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= {fact_of(question.id) for question in splits["train"]}
