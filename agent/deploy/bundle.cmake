# SPDX-License-Identifier: Apache-2.0
# Runs at install time for the self-contained tarball: copies the loader and libraries of `programs` and `modules` beside them, and the
# licence of each package they come from.
set(root "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
# dlopen'ed by glibc when a thread is cancelled or ends itself: no program names it
execute_process(COMMAND gcc -print-file-name=libgcc_s.so.1 OUTPUT_VARIABLE unwinder OUTPUT_STRIP_TRAILING_WHITESPACE
	COMMAND_ERROR_IS_FATAL ANY)
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${programs} MODULES ${modules} RESOLVED_DEPENDENCIES_VAR libraries
	CONFLICTING_DEPENDENCIES_PREFIX twice)
foreach(library IN LISTS libraries unwinder)
	cmake_path(GET library FILENAME name)
	file(REAL_PATH ${library} file)
	file(COPY_FILE ${file} ${root}/lib/lifesign/${name} ONLY_IF_DIFFERENT)
	file(CHMOD ${root}/lib/lifesign/${name} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
		GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
	# dpkg knows some of these files by their names before /usr was merged
	string(REGEX REPLACE "^/usr/lib/" "/lib/" unmerged ${file})
	execute_process(COMMAND dpkg -S ${file} ${unmerged} OUTPUT_VARIABLE owner ERROR_QUIET)
	if(owner MATCHES "^([^:,]+)[:,]")
		set(package ${CMAKE_MATCH_1})
		file(COPY_FILE /usr/share/doc/${package}/copyright ${root}/lib/lifesign/${package}.copyright RESULT missing)
		if(missing)
			message(WARNING "${package}: no copyright file (${missing})")
		endif()
	else()
		message(WARNING "${file} belongs to no package: add its licence by hand")
	endif()
endforeach()
