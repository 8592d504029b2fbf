-- A text a row, with the mean of its ratings. Sentences of one review or editorial are one document (`12_3` is the third
-- sentence of document 12), so that none of them trains while another is judged. A text that is there twice counts once.
WITH rated AS (
    SELECT 'movies' AS domain, text AS row FROM movies
    UNION ALL SELECT 'news', text FROM news
    UNION ALL SELECT 'tweets', text FROM tweets
    UNION ALL SELECT 'products', text FROM products
), texts AS (
    SELECT
        domain,
        domain || ' ' || split_part(split_part(row, chr(9), 1), '_', 1) AS document,
        CAST(split_part(row, chr(9), 2) AS DOUBLE) AS rating,
        trim(split_part(row, chr(9), 3)) AS text
    FROM rated
    UNION ALL
    SELECT 'words', text, CAST(split_part(text, chr(9), 2) AS DOUBLE), split_part(text, chr(9), 1) FROM words
)
SELECT domain, min(document) AS document, avg(rating) AS rating, text
FROM texts
WHERE text <> ''
GROUP BY domain, text
