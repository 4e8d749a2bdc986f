-- q7: the median follower count of the users who joined in each year.
-- Reads posts_by_user and the one row of reading; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (names, order, medians, years); domain notes §6, question 7.
WITH measured AS (
    SELECT x.joining_year, x.follower_count
    FROM posts_by_user AS x
    CROSS JOIN reading AS r
    WHERE r.counted_over = 'posts'
    UNION ALL
    SELECT x.joining_year, x.follower_count
    FROM (
        SELECT DISTINCT x.user_name, x.age, x.date_joined, x.joining_year, x.follower_count
        FROM posts_by_user AS x
        CROSS JOIN reading AS r
        WHERE r.counted_over = 'people'
    ) AS x
),
chosen AS (
    SELECT
        x.joining_year,
        CASE WHEN r.median_kind = 'exact' THEN x.follower_count END AS exact_count,
        CASE WHEN r.median_kind = 'approx' THEN x.follower_count END AS approx_count
    FROM measured AS x
    CROSS JOIN reading AS r
    WHERE r.first_year IS NULL OR x.joining_year BETWEEN r.first_year AND r.last_year
)
SELECT
    x.joining_year AS post_year,
    coalesce(
        median(x.exact_count),
        CAST(percentile_disc(0.5) WITHIN GROUP (ORDER BY x.approx_count) AS DOUBLE)
    ) AS median_follower_count
FROM chosen AS x
GROUP BY x.joining_year
ORDER BY x.joining_year NULLS LAST
