"""From files to the pairs that are learned from. Imports no torch."""

from enum import StrEnum

from pydantic import Field

from rag.config.language_model import LanguageModelConfig
from rag.config.stage import Stage


class ChunkingConfig(Stage):
    """How text is cut. Tokens are those of the bundled encoder's tokenizer."""

    chunk_tokens: int = Field(400, ge=50, le=2000)
    overlap_tokens: int = Field(50, ge=0, le=500)
    boilerplate_pages: int = Field(3, ge=2)
    """A line at the edge of at least this many pages, and of most of them, is a running header or footer."""


class Writer(StrEnum):
    """Who writes questions."""

    EXTRACTIVE = "extractive"
    GROQ = "groq"
    LOCAL = "local"


class SynthesisConfig(Stage):
    """Writing questions from chunks."""

    writer: Writer = Writer.EXTRACTIVE
    """`extractive` needs no language model."""
    questions_per_chunk: int = Field(3, ge=0, le=10)
    comparative_share: float = Field(0.1, ge=0, le=0.5)
    seed: int = 13
    analytical_share: float = Field(0.34, ge=0, le=1)
    """Of the questions that compare nothing. This and what follows concern language models."""
    style_examples: int = Field(6, ge=0, le=20)
    """Real questions of training documents that a model is shown to write alike."""
    improve_answers: bool = True
    """Have the model write each answer out in a second step."""
    rounds: int = Field(3, ge=1, le=10)
    """Times that a chunk is asked for the questions that are still missing."""
    llm: LanguageModelConfig = LanguageModelConfig()


class PairsConfig(Stage):
    """Which pairs are learned from, and which are asked in the evaluation."""

    passage_tokens: int = Field(126, ge=16)
    """Length of the passage that a pair is learned from: what training looks at, less the two special tokens."""
    synthetic_per_real: float = Field(1.5, ge=0)
    """Synthetic training pairs at most for each real one, where there are enough real ones."""
    max_synthetic: int = Field(1200, ge=0)
    """Synthetic training pairs at most."""
    max_synthetic_questions: int = Field(200, ge=0)
    """Synthetic questions at most in the evaluation set and in validation, each."""
    feedback_weight: float = Field(0.5, ge=0, le=1)
    """What a pair from feedback counts for, beside a real one, where these decide how many synthetic ones there are."""
    max_user_share: float = Field(0.1, gt=0, le=1)
    """Share of the questions with feedback that one user may have a say in at most."""
    min_user_questions: int = Field(10, ge=1)
    """Questions that every user may have a say in, however few there are."""
    near_duplicate: float = Field(0.8, ge=0.7, le=1)
    """Jaccard similarity of words from which two questions of a document may ask the same."""
    round_trip_depth: int = Field(20, ge=1)
    """First chunks that BM25 finds for a synthetic question, among which its own must be."""
    min_groundedness: float = Field(0.6, ge=0, le=1)
    """Least share of a synthetic answer's content words that stand in its evidence or question."""
    mask_personal_data: bool = False
    """Mask addresses, telephone, card and account numbers in what is learned from; needs `ragloop[privacy]`."""
    phone_regions: tuple[str, ...] = ("US", "GB", "DE", "FR", "SE")
    """Whose telephone numbers are found without a country code."""
    seed: int = 13


class SplitConfig(Stage):
    """Shares of the documents' groups, and what counts as the same text."""

    evaluation_share: float = Field(0.3, gt=0, lt=0.8)
    validation_share: float = Field(0.15, gt=0, lt=0.5)
    near_duplicate: float = Field(0.6, gt=0, le=1)
    """Jaccard similarity of 5-word shingles from which two documents are one group."""
    seed: int = 13
