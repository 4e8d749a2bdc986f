-- q3b: the country of the poster with the most followers; all shown: the most followers of every country.
-- Reads posts_by_place and the one row of reading; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (names, order, ties; no row from unknown counts); domain notes §6, question 3b.
WITH countries AS (
    SELECT country, max(follower_count) AS follower_count
    FROM posts_by_place
    WHERE follower_count IS NOT NULL
    GROUP BY country
),
placed AS (
    SELECT
        country,
        follower_count,
        rank() OVER (ORDER BY follower_count DESC) AS place,
        row_number() OVER (ORDER BY follower_count DESC, country NULLS LAST) AS place_by_name
    FROM countries
)
SELECT x.country, x.follower_count
FROM placed AS x
CROSS JOIN reading AS r
WHERE r.shown_rows = 'all'
    OR (r.kept_ties = 'all' AND x.place = 1)
    OR (r.kept_ties = 'one' AND x.place_by_name = 1)
ORDER BY x.follower_count DESC, x.country NULLS LAST
