# SPDX-License-Identifier: Apache-2.0
# Read by CPack once for each kind of package: which components it holds, and below which directory.
if(CPACK_GENERATOR STREQUAL "TGZ")
	set(CPACK_COMPONENTS_ALL portable shim headers doc)
	set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY ON)
	set(CPACK_PACKAGE_FILE_NAME ${CPACK_ARCHIVE_FILE_NAME})
else()
	set(CPACK_COMPONENTS_ALL program shim headers doc)
	set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY OFF)
endif()
