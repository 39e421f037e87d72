# add_drawdown_tests(LAYER LIBRARY): every tests/LAYER/test_*.c is an executable that links LIBRARY and cmocka;
# the other files of the directory support all of them. The label in ctest is the layer.

function(add_drawdown_tests layer library)
    file(GLOB sources CONFIGURE_DEPENDS tests/${layer}/test_*.c)
    file(GLOB support CONFIGURE_DEPENDS tests/${layer}/*.c)
    list(REMOVE_ITEM support ${sources})
    foreach(source ${sources})
        get_filename_component(stem "${source}" NAME_WE)
        set(name "${layer}_${stem}")
        add_executable(${name} ${source} ${support})
        target_compile_definitions(${name} PRIVATE SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}")
        target_link_libraries(${name} PRIVATE ${library} PkgConfig::cmocka)
        add_test(NAME ${name} COMMAND ${name})
        set_tests_properties(${name} PROPERTIES LABELS ${layer} TIMEOUT 600)
    endforeach()
endfunction()
