"""Error rates of tests: how often they found in simulations what was not there, for the sentence beside their result.

The shares are the largest of benchmarks/results/error_rates.json, among the settings where nothing is to be found.
"""

from dataclasses import dataclass

__all__ = ["BIAS", "CONCLUSION", "EQUIVALENT", "EQUIVALENT_RATIO", "IMPRINT", "LINE", "OMNIBUS", "ErrorRate"]


@dataclass(frozen=True)
class ErrorRate:
    """How often a test errs.

    Attributes:
        section: Section of the results of the benchmark.
        test: Its name there.
        highest: Largest share of studies in which it erred.
        where: The setting in which it did.
    """

    section: str
    test: str
    highest: float
    where: str

    @property
    def words(self) -> str:
        """The share in words.

        Example:
            >>> ErrorRate("bias", "bias test", 0.064, "3 raters").words
            'by mistake in up to 6.4 % of simulated studies (3 raters)'
        """
        return f"by mistake in up to {100 * self.highest:.1f} % of simulated studies ({self.where})"


BIAS = ErrorRate("bias", "bias test", 0.064, "3 raters, one of whom scatters by 80 %")
EQUIVALENT = ErrorRate("equivalence", "called equivalent", 0.26, "10 units, one in ten of which is far off")
CONCLUSION = ErrorRate("groups", "conclusion", 0.068, "8 units of uniform values against 16 of a third of the spread")

EQUIVALENT_RATIO = ErrorRate("ratios", "called equivalent", 0.156, "10 units, one image in ten empty")
OMNIBUS = ErrorRate(
    "groups", "Mann-Whitney alone (before)", 0.16, "6 units of uniform values against 24 of a third of the spread"
)
IMPRINT = ErrorRate("imprint", "above 0", 0.82, "40 images, a rater who agrees less with all, and one poor seed of two")
LINE = ErrorRate(
    "reliability", "below the line", 0.114, "20 subjects with 1 to 8 images, one in ten of which is far off"
)
