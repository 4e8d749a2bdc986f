-- q2: how many posts each category had in each year.
-- Reads posts_by_place and the one row of reading; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (names, order, ties, years); domain notes §6, question 2.
WITH counted AS (
    SELECT x.post_year, x.category, count(*) AS category_count
    FROM posts_by_place AS x
    CROSS JOIN reading AS r
    WHERE r.first_year IS NULL OR x.post_year BETWEEN r.first_year AND r.last_year
    GROUP BY x.post_year, x.category
),
placed AS (
    SELECT
        post_year,
        category,
        category_count,
        rank() OVER (PARTITION BY post_year ORDER BY category_count DESC) AS place,
        row_number() OVER (
            PARTITION BY post_year ORDER BY category_count DESC, category NULLS LAST
        ) AS place_by_name
    FROM counted
)
SELECT x.post_year, x.category, x.category_count
FROM placed AS x
CROSS JOIN reading AS r
WHERE r.shown_rows = 'all'
    OR (r.kept_ties = 'all' AND x.place = 1)
    OR (r.kept_ties = 'one' AND x.place_by_name = 1)
ORDER BY x.post_year NULLS LAST, x.category_count DESC, x.category NULLS LAST
