"""How many parts a text is charged for."""

import pytest

from infrastructure.sms.segments import Encoding, Size, size_of

GSM, UCS = Encoding.GSM7, Encoding.UCS2


class TestParts:
    @pytest.mark.parametrize(
        ("text", "size"),
        [
            ("", Size(GSM, 1)),
            ("a" * 160, Size(GSM, 1)),
            ("a" * 161, Size(GSM, 2)),
            ("a" * 306, Size(GSM, 2)),
            ("a" * 307, Size(GSM, 3)),
            ("€" * 80, Size(GSM, 1)),
            ("€" * 81, Size(GSM, 2)),
            ("ш" * 70, Size(UCS, 1)),
            ("ш" * 71, Size(UCS, 2)),
            ("ш" * 134, Size(UCS, 2)),
            ("ш" * 135, Size(UCS, 3)),
            ("😀" * 35, Size(UCS, 1)),
            ("😀" * 36, Size(UCS, 2)),
        ],
    )
    def test_a_text_has_as_many_parts_as_the_networks_say(self, text: str, size: Size) -> None:
        assert size_of(text) == size

    def test_no_character_is_cut_in_two(self) -> None:
        # 152 places, then one that takes two: it goes to the next part, and the rest no longer fits into two.
        assert size_of("a" * 152 + "€" + "a" * 151) == Size(GSM, 2)
        assert size_of("a" * 152 + "€" + "a" * 152) == Size(GSM, 3)
        assert size_of("ш" * 66 + "😀" + "ш" * 65) == Size(UCS, 2)
        assert size_of("ш" * 66 + "😀" + "ш" * 66) == Size(UCS, 3)

    @pytest.mark.parametrize("letter", ["ʻ", "ʼ", "’", "Я", "`"])
    def test_the_letters_of_uzbek_and_russian_cost_the_short_alphabet(self, letter: str) -> None:
        assert size_of(f"kod {letter}").encoding is UCS

    @pytest.mark.parametrize("letter", ["'", "@", "£", "ñ", "\n", "[", "~"])
    def test_what_the_short_alphabet_has_costs_nothing(self, letter: str) -> None:
        assert size_of(f"kod {letter}").encoding is GSM
