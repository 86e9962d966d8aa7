"""Where our checkpoints are on the Hub: the one place that says it."""

PUBLISHED: dict[str, str] = {}
"""Repository of each checkpoint of ours that is public, by its domain: ``"streets":
"user/streets"``. Cards and the Space's front matter follow; a test says where they do not."""

PLACEHOLDER = "user/repo"


def repository_of(domain: str) -> str:
    """Repository of a domain's checkpoint, or what stands for it until there is one."""
    return PUBLISHED.get(domain, PLACEHOLDER)
