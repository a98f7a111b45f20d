"""Judgement: scores become strategies side by side, three verdicts and the sentences that give them."""
