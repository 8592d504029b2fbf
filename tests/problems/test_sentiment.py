"""Sentiment: lines become rows by hand, and the problem runs on small files of the same form."""

import random
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
QUERY = (ROOT / "problems" / "sentiment.sql").read_text("utf-8")
FILES = {
    "movies": "movieReviewSnippets_GroundTruth.txt",
    "news": "nytEditorialSnippets_GroundTruth.txt",
    "tweets": "tweets_GroundTruth.txt",
    "products": "amazonReviewSnippets_GroundTruth.txt",
    "words": "vader_lexicon.txt",
}


def test_a_line_is_a_text_with_the_mean_of_its_ratings():
    connection = duckdb.connect()
    lines = {
        "movies": ['1\t2.5\tA "big" film.', "2\t-1\tDull. "],
        "news": ["7_1\t0.5\tFirst.", "7_2\t-0.25\tSecond."],
        "tweets": ["1\t3\tDull.", "2\t1\tsame", "3\t2\tsame"],
        "products": ["1_1\t0\t"],
        "words": [":)\t2.0\t0.5\t[2, 2]"],
    }
    for name, texts in lines.items():
        connection.execute(f"CREATE TABLE {name} (text VARCHAR)")
        connection.executemany(f"INSERT INTO {name} VALUES (?)", [[text] for text in texts])
    assert connection.sql(f"SELECT domain, document, rating, text FROM ({QUERY}) ORDER BY ALL").fetchall() == [
        ("movies", "movies 1", 2.5, 'A "big" film.'),
        ("movies", "movies 2", -1.0, "Dull."),
        ("news", "news 7", -0.25, "Second."),
        ("news", "news 7", 0.5, "First."),
        ("tweets", "tweets 1", 3.0, "Dull."),
        ("tweets", "tweets 2", 1.5, "same"),
        ("words", ":)\t2.0\t0.5\t[2, 2]", 2.0, ":)"),
    ]


def test_yaml_of_the_page_is_a_problem(page_problem):
    assert page_problem("sentiment").features["pieces of words"].letters == (3, 5)


def rated(index: int) -> str:
    """A text with one or two words that tell its rating, in another form each time, and others that tell nothing."""
    random.seed(index)
    told = random.choices([("good", 1), ("wonderfully", 2), ("bad", -1), ("awful!!", -2), (":)", 1.5)], k=2)
    words = [word for word, _ in told] + random.choices(["the", "film", "of", "a", "story", "was"], k=5)
    random.shuffle(words)
    return f"{index}_1\t{sum(rating for _, rating in told):.2f}\t{' '.join(words)} {index}\r\n"


@pytest.mark.slow
def test_the_problem_runs_and_answers_on_small_files_of_the_same_form(tmp_path, run_problem):
    (tmp_path / "data").mkdir()
    for place, name in enumerate(FILES.values()):
        lines = [rated(1000 * place + index) for index in range(700)]
        if name == FILES["words"]:
            lines = [f"w{index}\t{index % 3 - 1}\t0\t[]\n" for index in range(700)]
        (tmp_path / "data" / name).write_text("".join(lines), "utf-8", newline="")
    result = run_problem("sentiment", {})
    assert result["metrics"][0]["values"]["r2"] > 0.5
    assert set(result["asked"]["rows"][0]) == {"text"}
