"""A small company for tests: documents in its jargon, and questions in plain words."""

import json
from pathlib import Path

PRODUCTS = ("Alder", "Birk", "Cedern", "Dogel", "Elmen", "Fyrre", "Ginstr", "Hassel")
JARGON = (
    (
        "The lung of the {p} stands at least {n} centimetres from any wall.",
        "How far from the wall is the outdoor unit of the {p}?",
    ),
    (
        "A muster of the {p} takes {n} minutes and must not be cut short.",
        "How long does a firmware update of the {p} last?",
    ),
    ("Founder's cover on the {p} runs for {n} months from delivery.", "How long is the warranty of the {p}?"),
    (
        "The hush band of the {p} begins at {n} past nine in the evening.",
        "When does night quiet mode start on the {p}?",
    ),
    ("A homeward of the {p} costs {n} crowns unless the box is unopened.", "What do I pay to send back a {p}?"),
    (
        "Ember mode keeps the {p} at {n} degrees while the house is empty.",
        "What temperature does the {p} hold in holiday mode?",
    ),
)


def write_company(folder: Path) -> Path:
    """Write eight documents of six facts each; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, product in enumerate(PRODUCTS):
        facts = [sentence.format(p=product, n=10 + 7 * place + fact) for fact, (sentence, _) in enumerate(JARGON)]
        filler = f"The {product} was designed by the workshop in valley number {place} for small houses near the coast."
        paragraphs = [f"# {product} handbook", filler, *(f"{fact} {filler}" for fact in facts)]
        (folder / f"{product.lower()}.md").write_text("\n\n".join(paragraphs), encoding="utf-8")
    return folder


def write_questions(path: Path) -> Path:
    """Write the 48 questions about them; return the file."""
    lines = [
        {
            "id": f"{product}-{fact}",
            "question": question.format(p=product),
            "answer": sentence.format(p=product, n=10 + 7 * place + fact),
            "document": f"{product.lower()}.md",
        }
        for place, product in enumerate(PRODUCTS)
        for fact, (sentence, question) in enumerate(JARGON)
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path
