"""What a checkpoint holds and no export may: names of cases, hashes, subjects, raters, datasets."""

SECRETS = ("case-4711", "f00dfacecafe", "mouse-Berta", "rater-Wilhelmine", "dataset-of-the-lab")
