-- q1: the most popular category of each country.
-- Reads posts_by_place and the one row of reading; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (names, order, ties); domain notes §6, question 1.
WITH counted AS (
    SELECT country, category, count(*) AS category_count
    FROM posts_by_place
    GROUP BY country, category
),
placed AS (
    SELECT
        country,
        category,
        category_count,
        rank() OVER (PARTITION BY country ORDER BY category_count DESC) AS place,
        row_number() OVER (
            PARTITION BY country ORDER BY category_count DESC, category NULLS LAST
        ) AS place_by_name
    FROM counted
)
SELECT x.country, x.category, x.category_count
FROM placed AS x
CROSS JOIN reading AS r
WHERE r.shown_rows = 'all'
    OR (r.kept_ties = 'all' AND x.place = 1)
    OR (r.kept_ties = 'one' AND x.place_by_name = 1)
ORDER BY x.country NULLS LAST, x.category_count DESC, x.category NULLS LAST
