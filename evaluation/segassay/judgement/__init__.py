"""Judgement: from scores to a comparison of strategies, three verdicts, and the sentences that state them."""
