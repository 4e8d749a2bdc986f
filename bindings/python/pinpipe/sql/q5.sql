-- q5: the median follower count of each age group.
-- Reads posts_by_user and the one row of reading; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (names, order, medians, age groups); domain notes §6, question 5.
WITH measured AS (
    SELECT x.age_group, x.follower_count
    FROM posts_by_user AS x
    CROSS JOIN reading AS r
    WHERE r.counted_over = 'posts'
    UNION ALL
    SELECT x.age_group, x.follower_count
    FROM (
        SELECT DISTINCT x.user_name, x.age, x.date_joined, x.age_group, x.follower_count
        FROM posts_by_user AS x
        CROSS JOIN reading AS r
        WHERE r.counted_over = 'people'
    ) AS x
),
chosen AS (
    SELECT
        x.age_group,
        CASE WHEN r.median_kind = 'exact' THEN x.follower_count END AS exact_count,
        CASE WHEN r.median_kind = 'approx' THEN x.follower_count END AS approx_count
    FROM measured AS x
    CROSS JOIN reading AS r
)
SELECT
    x.age_group,
    coalesce(
        median(x.exact_count),
        CAST(percentile_disc(0.5) WITHIN GROUP (ORDER BY x.approx_count) AS DOUBLE)
    ) AS median_follower_count
FROM chosen AS x
GROUP BY x.age_group
ORDER BY x.age_group NULLS LAST
