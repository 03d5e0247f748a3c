#!/bin/sh
# What the image mysql runs: MariaDB on /var/lib/mysql, made ready at the first start by the variables that
# manifests for the public image set: MYSQL_ROOT_PASSWORD, MYSQL_DATABASE, MYSQL_USER with MYSQL_PASSWORD,
# MYSQL_ALLOW_EMPTY_PASSWORD. Arguments go to the server.
set -eu

data=/var/lib/mysql

# quoted TEXT: as a string of SQL.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g")"; }

# One to a line. The server that they go to checks no rights, and knows users only once it is told to.
first_statements() {
    echo "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';" # they have no password
    echo "FLUSH PRIVILEGES;"
    password=$(quoted "${MYSQL_ROOT_PASSWORD:-}")
    echo "ALTER USER root@localhost IDENTIFIED BY $password;"
    echo "CREATE USER root@'%' IDENTIFIED BY $password;"
    echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
    [ -z "${MYSQL_DATABASE:-}" ] || echo "CREATE DATABASE \`$MYSQL_DATABASE\`;"
    [ -n "${MYSQL_USER:-}" ] || return 0
    echo "CREATE USER $(quoted "$MYSQL_USER")@'%' IDENTIFIED BY $(quoted "${MYSQL_PASSWORD:?}");"
    [ -z "${MYSQL_DATABASE:-}" ] || echo "GRANT ALL ON \`$MYSQL_DATABASE\`.* TO $(quoted "$MYSQL_USER")@'%';"
}

# Builds the databases aside: if this is cut off, the next start begins anew.
first_start() {
    if [ -z "${MYSQL_ROOT_PASSWORD:-}${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ]; then
        echo "set MYSQL_ROOT_PASSWORD (or MYSQL_ALLOW_EMPTY_PASSWORD)" >&2
        exit 1
    fi
    new=$data/.new
    rm -rf "$new"
    mkdir "$new"
    mariadb-install-db --no-defaults --user=root --datadir="$new" --skip-test-db --force \
        --auth-root-authentication-method=normal >&2
    first_statements | mariadbd --no-defaults --user=root --datadir="$new" --bootstrap >&2
    for entry in "$new"/*; do
        [ "$entry" = "$new/mysql" ] || mv "$entry" "$data/"
    done
    mv "$new/mysql" "$data/" # last: it says that all is there
    rmdir "$new"
}

case ${1:-} in mysqld | mariadbd) shift ;; esac
[ -d "$data/mysql" ] || first_start
chown -R mysql:mysql "$data" /run/mysqld
# A file system's own directory is no database.
exec mariadbd --no-defaults --user=mysql --datadir="$data" --socket=/run/mysqld/mysqld.sock \
    --bind-address=0.0.0.0 --ignore-db-dirs=lost+found "$@"
