-- q4: the most popular category of each age group.
-- Reads posts_by_user and the one row of reading; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (names, order, ties, age groups); domain notes §6, question 4.
WITH counted AS (
    SELECT age_group, category, count(*) AS category_count
    FROM posts_by_user
    GROUP BY age_group, category
),
placed AS (
    SELECT
        age_group,
        category,
        category_count,
        rank() OVER (PARTITION BY age_group ORDER BY category_count DESC) AS place,
        row_number() OVER (
            PARTITION BY age_group ORDER BY category_count DESC, category NULLS LAST
        ) AS place_by_name
    FROM counted
)
SELECT x.age_group, x.category, x.category_count
FROM placed AS x
CROSS JOIN reading AS r
WHERE r.shown_rows = 'all'
    OR (r.kept_ties = 'all' AND x.place = 1)
    OR (r.kept_ties = 'one' AND x.place_by_name = 1)
ORDER BY x.age_group NULLS LAST, x.category_count DESC, x.category NULLS LAST
