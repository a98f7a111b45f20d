"""A rule that changes gets another version, because certificates name it."""

import hashlib
import importlib
import json
from pathlib import Path

from segassay import judgement
from segassay.judgement.summary import versions
from segassay.judgement.version import RULE_OF_CLASSES, RULES_VERSION
from segassay.judgement.words import RULES
from segassay.judgement.worst_class import CLASS_RULE

OF_VERSION = {
    1: "d49f2438bfaa6744df0315770f0ffd0a2d17836a087ef5623f2be0637eb000cc",
    2: "7b3c931dfe26dc80b2ac7533d83ebccd6bbd2d964e038d0faf0b9b85bece26ba",
    3: "348a202052a80f27d4bdc8b07db0c4e33df2a38bbe4800d571a135e52c9a87c8",
    4: "f25c95a942326254e32aca70a579a115797257330ae4dc309166046a078cae1c",
    5: "eb44b7786999777719baa1cb26525ebeda2bd9910fd869748ad6469fb412b4ee",
    6: "2bc56c7c14ca4c1ab6640ec47be1716fc6d6f09887d44bf46e8893d586b343b2",
    7: "89cbbc6021ec213177a4087ca659cd9b9f0689b152e25c0be996fe4d03dc68d2",
}
"""Version of the rules -> hash of their lines and texts. Add a line for a new version; never change one."""


def lines_of_rules() -> dict[str, float]:
    """Every number that has a name in the room that judges."""
    found = {}
    for path in sorted(Path(judgement.__file__).parent.glob("*.py")):
        module = importlib.import_module(f"segassay.judgement.{path.stem}")
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, (int, float)) and name != "RULES_VERSION":
                found[name.lstrip("_")] = float(value)
    return found


def test_lines_and_texts_of_the_rules_are_those_of_their_version():
    lines = lines_of_rules()
    assert {"MIN_CASES", "IMPRINT_MATTERS", "LARGE_EFFECT"} <= set(lines)
    content = json.dumps([lines, RULES], sort_keys=True)
    assert hashlib.sha256(content.encode()).hexdigest() == OF_VERSION[RULES_VERSION], (
        "a rule has changed: raise RULES_VERSION, and record the new hash here"
    )


OF_RULE_OF_CLASSES = {"1": "e75a9034b36594ac1793bd7d20bfb0a82712908d6c8f6e3d5774a47b4ae77c68"}
"""Version of the rule of classes -> hash of its text. Add one for a new version; never change one."""


def test_the_text_of_the_rule_of_classes_is_that_of_its_version():
    found = hashlib.sha256(CLASS_RULE.encode()).hexdigest()
    assert found == OF_RULE_OF_CLASSES[RULE_OF_CLASSES], "the rule has changed: raise RULE_OF_CLASSES"


def test_only_evaluations_of_classes_name_the_rule_of_classes():
    assert "rule_of_classes" not in versions()
    assert dict(versions(of_classes=True)) == {**versions(), "rule_of_classes": RULE_OF_CLASSES}
