# cmake -DKIND=sql|avro -DDIR=output -DFILES=list -P embed_files_script.cmake

# The file's bytes as C string literals of 32 bytes each.
function(file_literal file ret_literal)
    file(READ "${file}" hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${hex}")
    set(unit "\\\\x[0-9a-f][0-9a-f]")
    string(REPEAT "${unit}" 32 line)
    string(REGEX REPLACE "(${line})" "\\1\"\n    \"" bytes "${bytes}")
    set(${ret_literal} "\n    \"${bytes}\"" PARENT_SCOPE)
endfunction()

set(constants "")
set(declarations "")
set(rows "")
list(SORT FILES)

if(KIND STREQUAL "avro")
    set(struct "struct avro_file {\n    const char *name;\n    const char *text;\n    size_t size;\n};\n")
    set(table "struct avro_file avro_files")
    foreach(file ${FILES})
        get_filename_component(stem "${file}" NAME_WE)
        file_literal("${file}" literal)
        string(APPEND constants "static const char text_${stem}[] =${literal};\n\n")
        string(APPEND rows "    {\"${stem}\", text_${stem}, sizeof text_${stem} - 1},\n")
    endforeach()
else()
    set(struct "struct sql_migration {\n    int version;\n    const char *name;\n    const char *text;\n};\n")
    set(table "struct sql_migration sql_migrations")
    set(version_last 0)
    foreach(file ${FILES})
        get_filename_component(stem "${file}" NAME_WE)
        file_literal("${file}" literal)
        if(file MATCHES "/migrations/")
            if(NOT stem MATCHES "^0*([1-9][0-9]*)_([a-z0-9_]+)$")
                message(FATAL_ERROR "${file}: a migration is named 0001_name.sql")
            endif()
            set(version "${CMAKE_MATCH_1}")
            set(name "${CMAKE_MATCH_2}")
            math(EXPR version_next "${version_last} + 1")
            if(NOT version EQUAL version_next)
                message(FATAL_ERROR "${file}: the next migration is number ${version_next}")
            endif()
            set(version_last "${version}")
            string(APPEND constants "static const char migration_${version}[] =${literal};\n\n")
            string(APPEND rows "    {${version}, \"${name}\", migration_${version}},\n")
        else()
            string(APPEND declarations "extern const char sql_${stem}[];\n")
            string(APPEND constants "const char sql_${stem}[] =${literal};\n\n")
        endif()
    endforeach()
endif()

string(REGEX REPLACE "^struct [a-z_]+ " "" array "${table}")

file(WRITE "${DIR}/${KIND}_files.h" "/* generated from the .${KIND} files */
#pragma once

#include <stddef.h>

${declarations}
${struct}
extern const ${table}[];
extern const size_t ${array}_count;
")

# The last row is a sentinel: C knows no empty array.
file(WRITE "${DIR}/${KIND}_files.c" "/* generated */
#include \"${KIND}_files.h\"

${constants}const ${table}[] = {
${rows}    {0},
};
const size_t ${array}_count = sizeof ${array} / sizeof ${array}[0] - 1;
")
