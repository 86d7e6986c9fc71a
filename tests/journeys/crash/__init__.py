"""Kill -9 in the middle of trade, round after round, and proof of every promise after each (docs/reliability.md).

python -m tests.journeys.crash --rounds 20 --seed 1 --workers 2
"""
