-- posts_by_user: every pin with the user who posted it, which q4, q5, q7 and q8 share.
-- Reads pins and users; the text is the same for DuckDB and Spark SQL.
-- Rules: the answers' contract (join, age groups, years of UTC); domain notes §6.
SELECT
    u.user_name,
    u.age,
    u.date_joined,
    CASE
        WHEN u.age BETWEEN 18 AND 24 THEN '18-24'
        WHEN u.age BETWEEN 25 AND 35 THEN '25-35'
        WHEN u.age BETWEEN 36 AND 50 THEN '36-50'
        WHEN u.age > 50 THEN '50+'
    END AS age_group,
    CAST(year(u.date_joined) AS BIGINT) AS joining_year,
    p.category,
    p.follower_count
FROM pins AS p
JOIN users AS u ON u.ind = p.ind
