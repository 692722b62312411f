// A mount namespace has copies of all FUSE mounts that there were when it was made, those of tests that run beside it too: theirs
// could not be unmounted before it ends.

/** Shell, to begin a namespace of one's own with: lets go of all such copies but those below the directory for what is temporary. */
export const DROP_MOUNT_COPIES = `awk -v kept="\${TMPDIR:-/tmp}/" '/ - fuse(\\.[a-z-]+)? / && index($5 "/", kept) != 1 { print $5 }' /proc/self/mountinfo |
while read -r copy; do umount -l "$(printf %b "$copy")"; done`;
