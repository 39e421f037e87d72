# embed_files(TARGET KIND GLOB...): the files become constants in <KIND>_files.{h,c}, compiled into TARGET.
# KIND is sql or avro; embed_files_script.cmake says what each header declares.

function(embed_files target kind)
    file(GLOB files CONFIGURE_DEPENDS ${ARGN})
    set(dir "${CMAKE_CURRENT_BINARY_DIR}/generated")
    set(script "${CMAKE_CURRENT_SOURCE_DIR}/cmake/embed_files_script.cmake")
    add_custom_command(
        OUTPUT "${dir}/${kind}_files.c" "${dir}/${kind}_files.h"
        COMMAND ${CMAKE_COMMAND} "-DKIND=${kind}" "-DDIR=${dir}" "-DFILES=${files}" -P "${script}"
        DEPENDS ${files} "${script}"
        COMMENT "Embedding ${kind} files"
        VERBATIM)
    target_sources(${target} PRIVATE "${dir}/${kind}_files.c" "${dir}/${kind}_files.h")
    target_include_directories(${target} PUBLIC "${dir}")
endfunction()
