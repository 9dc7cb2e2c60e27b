# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` and CPack put where. Three kinds of installation from the same components:
#   cmake --install   program shim headers doc
#   .deb              the same, with the system's libraries
#   .tar.gz           portable shim headers doc: portable is a static launcher, the programs, their loader and libraries
# The prober finds its kinds as ../lib/lifesign/probe_X.so.
# lifesign finds its shim as ../lib/liblifesign.so, so the shim goes to lib/ itself on every distribution.
get_property(ls_kinds GLOBAL PROPERTY LS_KIND_TARGETS)
install(TARGETS lifesign lifesign-prober RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(TARGETS ${ls_kinds} LIBRARY DESTINATION lib/lifesign COMPONENT program)
install(TARGETS ls_shim LIBRARY DESTINATION lib COMPONENT shim)
install(FILES include/lifesign.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT headers)
install(DIRECTORY include/lifesign DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT headers)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc RENAME copyright)
install(DIRECTORY agent/deploy/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/deploy COMPONENT doc
	PATTERN "*.cmake" EXCLUDE PATTERN "*.sh" EXCLUDE)

if(NOT LS_SANITIZE)
	add_executable(ls_launcher agent/cli/launcher.c)
	target_link_libraries(ls_launcher PRIVATE ls_flags)
	target_link_options(ls_launcher PRIVATE -static)
	set_target_properties(ls_launcher PROPERTIES OUTPUT_NAME lifesign
		RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/portable)
	install(TARGETS ls_launcher RUNTIME DESTINATION bin COMPONENT portable EXCLUDE_FROM_ALL)
	install(PROGRAMS $<TARGET_FILE:ls_launcher> DESTINATION bin RENAME lifesign-prober COMPONENT portable EXCLUDE_FROM_ALL)
	install(TARGETS lifesign lifesign-prober RUNTIME DESTINATION lib/lifesign COMPONENT portable EXCLUDE_FROM_ALL)
	install(TARGETS ${ls_kinds} LIBRARY DESTINATION lib/lifesign COMPONENT portable EXCLUDE_FROM_ALL)
	set(kind_files)
	foreach(kind IN LISTS ls_kinds)
		list(APPEND kind_files $<TARGET_FILE:${kind}>)
	endforeach()
	install(CODE "set(programs \"$<TARGET_FILE:lifesign>;$<TARGET_FILE:lifesign-prober>\")\nset(modules \"${kind_files}\")"
		COMPONENT portable EXCLUDE_FROM_ALL)
	install(SCRIPT agent/deploy/bundle.cmake COMPONENT portable EXCLUDE_FROM_ALL)
endif()

set(CPACK_PACKAGE_VENDOR "lifesign")
set(CPACK_PACKAGE_CONTACT "the lifesign maintainers <lifesign@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/agent/deploy/package.cmake)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_ARCHIVE_FILE_NAME ${PROJECT_NAME}-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR})
include(CPack)
