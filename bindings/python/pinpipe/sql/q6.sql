-- q6: how many users joined in each year.
-- Reads users and the one row of reading; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (names, order, years, what counts as a user); domain notes §6, question 6.
WITH joined AS (
    SELECT x.user_name, x.age, x.date_joined, CAST(year(x.date_joined) AS BIGINT) AS post_year, r.counted_over
    FROM users AS x
    CROSS JOIN reading AS r
),
counted AS (
    SELECT post_year
    FROM joined
    WHERE counted_over = 'posts'
    UNION ALL
    SELECT post_year
    FROM (SELECT DISTINCT user_name, age, date_joined, post_year FROM joined WHERE counted_over = 'people') AS x
    UNION ALL
    SELECT post_year
    FROM (SELECT DISTINCT user_name, post_year FROM joined WHERE counted_over = 'names') AS x
)
SELECT x.post_year, count(*) AS number_users_joined
FROM counted AS x
CROSS JOIN reading AS r
WHERE r.first_year IS NULL OR x.post_year BETWEEN r.first_year AND r.last_year
GROUP BY x.post_year
ORDER BY x.post_year NULLS LAST
