"""Evaluation of segmentations by several annotators: is a result objective, reliable and valid?

The modules along the flow of data; `cli` names them all.

    files        formats, files, text_table, output, progress, errors
    dataset      dataset, dataset_file, folder, mask_folders, experiment_table, nnunet, cases, problems; check,
                 check_across, check_summary, check_report; download, mirrors, labs
    simulation   simulation_settings, scene, rendering, habits, simulate; of tables alone: simulated_study,
                 simulate_tables, planted_truth
    consensus    consensus, cache, object_consensus, fuse
    agreement    annotations, objects, agreement, distances, case_rows, map_rows, workers, columns, tables
    experiment   experiment, group_tests
    estimators   chance_agreement, icc, variance_components, method_comparison, rater_tests; intervals, jackknife,
                 coverage; published_values, selftest
    objectivity  objectivity, pairwise, imprint, model_as_rater, rater_measurements
    reliability  reliability, seed_groups, seed_variance, saturation, calibration, uncertainty
    validity     validity, object_measures, effect_comparison, specification; strategies
    judgement    scores, outlines, ensembles_beside, measures, verdicts, sentences, summary; planner
    output       evaluate, plots, plots_measures, plots_validity, plots_strategies, plots_planner, report,
                 report_measures, tracking
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("segassay")


def __getattr__(name: str) -> Any:
    from segassay.former import MODULES

    if name in MODULES:
        return import_module(MODULES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
