"""Groups of annotators: who belongs to which strategy, and which ensembles are a pair."""

import pandas as pd

from segassay.qualities.scores.groups import strategy_groups
from strategy_findings import ENSEMBLES, MODELS, PEOPLE, annotations_of


class TestGroups:
    def test_each_strategy_kind_and_size_is_a_group(self):
        groups = strategy_groups(annotations_of(*ENSEMBLES, *MODELS, *PEOPLE, ("gt", "consensus")))
        assert {group.target: group.names for group in groups} == {
            "raters": ["anna", "ben"],
            "expert models": ["anna/s0", "ben/s0"],
            "staple ensembles of 2": ["staple/s0-1", "staple/s1-2", "staple/s2-3"],
            "staple ensembles of 4": ["staple/s0-3"],
        }
        assert [group.n_members for group in groups] == [None, 1, 2, 4]
        assert [group.on_consensus for group in groups] == [False, False, True, True]

    def test_models_of_consensuses_without_a_rater_are_a_group_of_their_own(self):
        rows = [("staple/s0", "model", "c", "staple", 0)]
        rows += [(f"staple_without_{name}/s0", "model", "c", f"staple_without_{name}", 0) for name in ("anna", "ben")]
        groups = strategy_groups(annotations_of(*PEOPLE, *rows))
        assert [group.target for group in groups] == ["raters", "c models", "c models without one rater"]
        assert [len(group.names) for group in groups] == [2, 1, 2]

    def test_without_a_strategy_it_is_the_training_target_and_without_both_the_name(self):
        rows = [("a", "model", "", "staple"), ("b", "model", "", "staple"), ("cellpose", "model"), ("x", "ensemble")]
        groups = strategy_groups(annotations_of(*rows))
        assert {group.target: len(group.names) for group in groups} == {"cellpose": 1, "staple models": 2, "x": 1}

    def test_ensembles_with_a_common_member_are_no_pair(self):
        (group, *_) = [g for g in strategy_groups(annotations_of(*ENSEMBLES)) if g.n_members == 2]
        assert group.all_pairs() == [("staple/s0-1", "staple/s2-3")]

    def test_the_same_seeds_of_two_trainings_are_other_members(self):
        rows = [(f"{name}/s0-1", "ensemble", "c", name) for name in ("staple_without_anna", "staple_without_ben")]
        (group,) = strategy_groups(annotations_of(*rows))
        assert len(group.all_pairs()) == 1

    def test_ensembles_of_unknown_members_are_in_no_pair(self):
        (group,) = strategy_groups(annotations_of(("a", "ensemble", "c", "x"), ("b", "ensemble", "c", "x")))
        assert (group.target, group.n_members, group.all_pairs()) == ("c ensembles", None, [])

    def test_what_was_spent_is_one_number_or_unknown(self):
        table = annotations_of(*PEOPLE, *MODELS, ("staple/s0", "model", "c", "staple", 0))
        table = table.assign(n_raters=pd.array([None, None, 1, 1, 2], dtype="Int64"))
        _, expert, consensus = strategy_groups(table.assign(n_train=pd.array([None, None, 12, 11, 6], dtype="Int64")))
        assert [(group.n_raters, group.n_train) for group in (expert, consensus)] == [(1, None), (2, 6)]
        assert {group.n_train for group in strategy_groups(table)} == {None}

    def test_nobody(self):
        assert strategy_groups(annotations_of()) == []
