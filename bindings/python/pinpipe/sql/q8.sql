-- q8: the median follower count of each age group and year of joining.
-- Reads pins, users and the one row of reading; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (names, order, medians, age groups, years); domain notes §6, question 8.
WITH posts AS (
    SELECT u.user_name, u.age, u.date_joined, p.follower_count
    FROM pins AS p
    JOIN users AS u ON u.ind = p.ind
),
measured AS (
    SELECT x.age, x.date_joined, x.follower_count
    FROM posts AS x
    CROSS JOIN reading AS r
    WHERE r.counted_over = 'posts'
    UNION ALL
    SELECT x.age, x.date_joined, x.follower_count
    FROM (SELECT DISTINCT user_name, age, date_joined, follower_count FROM posts) AS x
    CROSS JOIN reading AS r
    WHERE r.counted_over = 'people'
),
grouped AS (
    SELECT
        CASE
            WHEN age BETWEEN 18 AND 24 THEN '18-24'
            WHEN age BETWEEN 25 AND 35 THEN '25-35'
            WHEN age BETWEEN 36 AND 50 THEN '36-50'
            WHEN age > 50 THEN '50+'
        END AS age_group,
        CAST(year(date_joined) AS BIGINT) AS post_year,
        follower_count
    FROM measured
),
placed AS (
    SELECT
        x.age_group,
        x.post_year,
        x.follower_count,
        row_number() OVER (PARTITION BY x.age_group, x.post_year ORDER BY x.follower_count NULLS LAST) AS place,
        count(x.follower_count) OVER (PARTITION BY x.age_group, x.post_year) AS known
    FROM grouped AS x
    CROSS JOIN reading AS r
    WHERE r.first_year IS NULL OR x.post_year BETWEEN r.first_year AND r.last_year
)
SELECT
    x.age_group,
    x.post_year,
    CASE max(r.median_kind)
        WHEN 'exact' THEN median(x.follower_count)
        ELSE max(CASE WHEN 2 * x.place IN (x.known, x.known + 1) THEN CAST(x.follower_count AS DOUBLE) END)
    END AS median_follower_count
FROM placed AS x
CROSS JOIN reading AS r
GROUP BY x.age_group, x.post_year
ORDER BY x.age_group NULLS LAST, x.post_year NULLS LAST
