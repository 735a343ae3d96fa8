select node_version from system.runtime.nodes where coordinator
