"""Members that were never trained, to be exported, with what their checkpoints hold and no export may."""

import torch

from segassay_monai.ensemble.members import Member
from segassay_monai.ensemble.network import NetworkSettings, residual_unet

SECRETS = ("case-4711", "f00dfacecafe", "mouse-Berta", "rater-Wilhelmine", "dataset-of-the-lab")
"""Names of cases, hashes of images, subjects, raters, datasets."""

DATA_HASH = "decade" * 10
"""Of the dataset; certificates alone say it."""

FLAT = NetworkSettings(2, 2, [4, 8, 8], [[2, 2], [2, 2]])
VOLUME = NetworkSettings(3, 1, [4, 8], [[1, 2, 2]])


def member(seed):
    case, digest, subject, rater, dataset = SECRETS
    return Member(
        dataset=dataset,
        data_hash=DATA_HASH,
        strategy="expert",
        trained_on=rater,
        fold=0,
        n_folds=2,
        seed=seed,
        train=(case,),
        val=(case,),
        held_out=(case,),
        seen_images=(digest,),
        seen_subjects=(subject,),
        initialised_from=digest,
    )


def members(folder, settings, n=3):
    """Checkpoints of untrained members that differ, and whose masks have both kinds of pixels."""
    paths = []
    for seed in range(n):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = residual_unet(**settings.state_dict())
            for value in net.parameters():
                value.data += 0.2 * torch.randn_like(value)
        paths.append(folder / f"s{seed}" / "model.pt")
        paths[-1].parent.mkdir(parents=True)
        content = {"model": net, "network": settings, "member": member(seed)}
        torch.save({name: part.state_dict() for name, part in content.items()}, paths[-1])
        paths[-1].with_name("familiar.json").write_text(f'{{"cases": ["{SECRETS[0]}"]}}')  # damaged, and not read
    return paths
