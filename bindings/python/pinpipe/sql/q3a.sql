-- q3a: the poster with the most followers in each country.
-- Reads posts_by_place and the one row of reading; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (names, order, ties; no top row from unknown counts); domain notes §6, question 3a.
WITH posters AS (
    SELECT DISTINCT country, poster_name, follower_count
    FROM posts_by_place
),
placed AS (
    SELECT
        country,
        poster_name,
        follower_count,
        rank() OVER (PARTITION BY country ORDER BY follower_count DESC NULLS LAST) AS place,
        row_number() OVER (
            PARTITION BY country ORDER BY follower_count DESC NULLS LAST, poster_name NULLS LAST
        ) AS place_by_name
    FROM posters
)
SELECT x.country, x.poster_name, x.follower_count
FROM placed AS x
CROSS JOIN reading AS r
WHERE r.shown_rows = 'all'
    OR (r.kept_ties = 'all' AND x.place = 1 AND x.follower_count IS NOT NULL)
    OR (r.kept_ties = 'one' AND x.place_by_name = 1 AND x.follower_count IS NOT NULL)
ORDER BY x.country NULLS LAST, x.follower_count DESC NULLS LAST, x.poster_name NULLS LAST
