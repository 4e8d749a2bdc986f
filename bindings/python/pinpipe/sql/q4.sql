-- q4: the most popular category of each age group.
-- Reads pins, users and the one row of reading; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (names, order, ties, age groups); domain notes §6, question 4.
WITH posts AS (
    SELECT
        CASE
            WHEN u.age BETWEEN 18 AND 24 THEN '18-24'
            WHEN u.age BETWEEN 25 AND 35 THEN '25-35'
            WHEN u.age BETWEEN 36 AND 50 THEN '36-50'
            WHEN u.age > 50 THEN '50+'
        END AS age_group,
        p.category
    FROM pins AS p
    JOIN users AS u ON u.ind = p.ind
),
counted AS (
    SELECT age_group, category, count(*) AS category_count
    FROM posts
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
