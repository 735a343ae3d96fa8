show session like {{ name | literal }}
