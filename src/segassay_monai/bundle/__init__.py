"""The bundle: where its configurations lie, what the settings of a run may be, and the workflow."""
