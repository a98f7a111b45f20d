"""The works that a methods paragraph cites, in the style of the American Psychological Association."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REFERENCES", "Reference"]


@dataclass(frozen=True)
class Reference:
    """A published work.

    Attributes:
        cited: How the text names it, such as `Kerfoot et al., 2019`.
        authors: All authors, the family name first.
        title: Its title.
        source: Journal, volume and pages, with the marks of Markdown.
        doi: Its DOI.
    """

    cited: str
    authors: str
    title: str
    source: str
    doi: str

    def __str__(self) -> str:
        """The entry of a list of references."""
        year = self.cited.rpartition(" ")[2]
        return f"{self.authors} ({year}). {self.title}. {self.source}. https://doi.org/{self.doi}"


REFERENCES = (
    Reference(
        "Cardoso et al., 2022",
        "Cardoso, M. J., Li, W., Brown, R., Ma, N., Kerfoot, E., Wang, Y., … Feng, A.",
        "MONAI: An open-source framework for deep learning in healthcare",
        "*arXiv*",
        "10.48550/arXiv.2211.02701",
    ),
    Reference(
        "Kerfoot et al., 2019",
        "Kerfoot, E., Clough, J., Oksuz, I., Lee, J., King, A. P., & Schnabel, J. A.",
        "Left-ventricle quantification using residual U-Net",
        "*STACOM 2018*, 371-380",
        "10.1007/978-3-030-12029-0_40",
    ),
    Reference(
        "Lakshminarayanan et al., 2017",
        "Lakshminarayanan, B., Pritzel, A., & Blundell, C.",
        "Simple and scalable predictive uncertainty estimation using deep ensembles",
        "*Advances in Neural Information Processing Systems, 30*",
        "10.48550/arXiv.1612.01474",
    ),
    Reference(
        "Loshchilov & Hutter, 2019",
        "Loshchilov, I., & Hutter, F.",
        "Decoupled weight decay regularization",
        "*International Conference on Learning Representations*",
        "10.48550/arXiv.1711.05101",
    ),
    Reference(
        "Ronneberger et al., 2015",
        "Ronneberger, O., Fischer, P., & Brox, T.",
        "U-Net: Convolutional networks for biomedical image segmentation",
        "*MICCAI 2015*, 234-241",
        "10.1007/978-3-319-24574-4_28",
    ),
    Reference(
        "Segebarth et al., 2020",
        "Segebarth, D., Griebel, M., Stein, N., von Collenberg, C. R., Martin, C., Fiedler, D., … Blum, R.",
        "On the objectivity, reliability, and validity of deep learning enabled bioimage analyses",
        "*eLife, 9*, e59780",
        "10.7554/eLife.59780",
    ),
    Reference(
        "Warfield et al., 2004",
        "Warfield, S. K., Zou, K. H., & Wells, W. M.",
        "Simultaneous truth and performance level estimation (STAPLE): An algorithm for the validation of image "
        "segmentation",
        "*IEEE Transactions on Medical Imaging, 23*(7), 903-921",
        "10.1109/TMI.2004.828354",
    ),
)
"""Works in the order of the list of references; a text lists those that it names."""
