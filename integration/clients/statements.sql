delimiter //
DROP DATABASE IF EXISTS weir_a //
DROP DATABASE IF EXISTS weir_b //
CREATE DATABASE weir_a CHARACTER SET utf8mb4 //
CREATE DATABASE weir_b CHARACTER SET utf8mb4 //
USE weir_a //
SET time_zone = '+00:00' //
SET NAMES utf8mb4 //
SELECT 1 //
SELECT 1 AS `one`, 'two' AS `a name with spaces`, NULL AS `nothing`, 2.50 AS `decimal`, 1e10 AS `double` //
SELECT VERSION(), DATABASE(), USER(), @@sql_mode //
SELECT 'grüße, мир, 世界, 🐬' AS text, x'00ff10' AS bytes, '' AS `empty` //
CREATE TABLE kinds (
	id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, ti TINYINT, si SMALLINT UNSIGNED, mi MEDIUMINT, bi BIGINT UNSIGNED,
	de DECIMAL(30, 10), fl FLOAT, db DOUBLE, bt BIT(10), da DATE, dt DATETIME(6), ts TIMESTAMP(3) NULL, tm TIME(6),
	yr YEAR, ch CHAR(5), vc VARCHAR(100), bn BINARY(4), vb VARBINARY(100), tx TEXT, bl BLOB,
	en ENUM('a', 'b'), st SET('x', 'y', 'z'), js JSON, ge POINT) //
INSERT INTO kinds VALUES (NULL, -128, 65535, -8388608, 18446744073709551615, 12345678901234567890.0123456789, 1.5, -2.25e300,
	b'1010101010', '2024-02-29', '2024-02-29 23:59:59.123456', '2024-02-29 12:00:00.500', '-838:59:58.000001', 2024,
	'char', 'grüße 🐬', x'01000002', x'ff00fe', 'text', x'000102', 'b', 'x,z', '{"a": [1, null, "ü"]}', ST_GeomFromText('POINT(1 2)')) //
INSERT INTO kinds (id) VALUES (NULL) //
INSERT INTO kinds (ti, vc) VALUES (0, ''), (1, 'one'), (2, 'two') //
SELECT * FROM kinds ORDER BY id //
SELECT ti, COUNT(*) AS n, MAX(dt), SUM(bi), AVG(si) FROM kinds GROUP BY ti ORDER BY ti //
SELECT * FROM kinds WHERE id < 0 //
UPDATE kinds SET vc = 'same' WHERE id > 2 //
UPDATE kinds SET vc = 'same' WHERE id > 2 //
DELETE FROM kinds WHERE id = 5 //
REPLACE INTO kinds (id, vc) VALUES (4, 'replaced') //
INSERT INTO kinds (id, vc) VALUES (4, 'x') ON DUPLICATE KEY UPDATE vc = 'updated' //
INSERT IGNORE INTO kinds (id, ti) VALUES (1, 1), (100, 1000) //
SHOW WARNINGS //
SELECT 1 / 0, CAST('12x' AS SIGNED) //
SHOW WARNINGS //
SELECT LAST_INSERT_ID(), ROW_COUNT() //
INSERT INTO kinds (id) VALUES (1) //
INSERT INTO kinds (ti) VALUES (1000) //
SELEC 1 //
SELECT * FROM no_such_table //
SELECT no_such_column FROM kinds //
SELECT * FROM no_such_schema.t //
SELECT (SELECT id FROM kinds) //
SIGNAL SQLSTATE '45001' SET MESSAGE_TEXT = 'our own', MYSQL_ERRNO = 5001 //
SELECT COUNT(*) FROM kinds //
BEGIN //
INSERT INTO kinds (vc) VALUES ('rolled back') //
SELECT COUNT(*) FROM kinds //
ROLLBACK //
SELECT COUNT(*) FROM kinds //
START TRANSACTION READ ONLY //
INSERT INTO kinds (vc) VALUES ('not allowed') //
COMMIT //
SET autocommit = 0 //
INSERT INTO kinds (vc) VALUES ('kept') //
SAVEPOINT s //
INSERT INTO kinds (vc) VALUES ('not kept') //
ROLLBACK TO SAVEPOINT s //
COMMIT //
SET autocommit = 1 //
SELECT id, vc FROM kinds ORDER BY id //
SET @a = 5, @b = 'text' //
SELECT @a, @b, @c //
PREPARE p FROM 'SELECT ? + ? AS sum' //
SET @x = 1, @y = 2 //
EXECUTE p USING @x, @y //
DEALLOCATE PREPARE p //
EXECUTE p //
CREATE PROCEDURE several(IN n INT, OUT total INT) BEGIN
	SELECT n AS first; SELECT id, vc FROM kinds ORDER BY id LIMIT 2; UPDATE kinds SET ti = 1; SELECT COUNT(*) INTO total FROM kinds; END //
CALL several(7, @total) //
SELECT @total //
CREATE PROCEDURE fails() BEGIN SELECT 1; SELECT * FROM no_such_table; SELECT 2; END //
CALL fails() //
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n //
SELECT twice(21) //
USE weir_b //
SELECT DATABASE() //
CREATE TABLE digits (d INT NOT NULL) //
INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9) //
SELECT e.d * 10000 + d.d * 1000 + c.d * 100 + b.d * 10 + a.d AS n, REPEAT('x', a.d) AS x
	FROM digits a, digits b, digits c, digits d, digits e ORDER BY n //
SELECT REPEAT('long ', 100000) AS text //
EXPLAIN SELECT COUNT(*) FROM digits //
SHOW CREATE TABLE weir_b.digits //
SHOW TABLES FROM weir_a //
TRUNCATE TABLE digits //
ALTER TABLE digits ADD COLUMN e VARCHAR(10) DEFAULT 'e' //
SELECT * FROM digits //
USE no_such_schema //
SELECT DATABASE() //
LOCK TABLES digits WRITE //
UNLOCK TABLES //
FLUSH TABLES //
DO 1 //
/* only a comment */ //
DROP DATABASE weir_b //
SELECT DATABASE() //
USE weir_a //
