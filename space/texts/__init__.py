"""What the demo says, one markdown file a passage."""

from pathlib import Path

from fiancee_hub.core.domain import Domain

FOLDER = Path(__file__).parent


def read(name: str) -> str:
    """A passage of the page itself."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def find(name: str, *kinds: str) -> str:
    """A passage in the words of the first kind that has some: a domain's before its family's.

    Raises:
        FileNotFoundError: none of them has that passage.
    """
    paths = [FOLDER / kind / f"{name}.md" for kind in kinds if kind]
    found = next((path for path in paths if path.is_file()), paths[-1])
    return found.read_text(encoding="utf-8")


def lead(domain: Domain, kind: str) -> str:
    """What goes in and comes out of a tab, and how to begin."""
    return " ".join((domain.summary, find("lead", kind))).strip()


def limits(domain: Domain, kind: str) -> str:
    """What a checkpoint says of its limits, then what holds for all of its family."""
    terms = f"Weights: {domain.terms}." if domain.terms else ""
    said = " ".join(filter(None, (*domain.limits, terms, find("limits", kind))))
    return f"**Limits.** {said}"
