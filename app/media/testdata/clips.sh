#!/bin/sh
# Makes the clips of the tests, a second each.
set -e
video="-f lavfi -i testsrc2=s=160x96:r=10:d=1"
audio="-f lavfi -i sine=440:r=48000:d=1"
mp4="-f mp4 -movflags frag_keyframe+empty_moov+default_base_moof"
ffmpeg="ffmpeg -v error -y"
$ffmpeg $video -c:v libx264 -crf 40 -preset veryfast -g 5 $mp4 h264.mp4
$ffmpeg $video -c:v libx265 -crf 40 -preset ultrafast -x265-params log-level=none:keyint=5 -tag:v hvc1 $mp4 h265.mp4
$ffmpeg $video -c:v libvpx-vp9 -crf 50 -b:v 0 -g 5 -cpu-used 8 $mp4 vp9.mp4
# The configuration of AV1 is known only after its first frame.
$ffmpeg $video -c:v libaom-av1 -crf 55 -cpu-used 8 -usage realtime -g 5 -f mp4 -movflags frag_keyframe+delay_moov+default_base_moof av1.mp4
$ffmpeg $audio -c:a aac -b:a 32k $mp4 aac.mp4
$ffmpeg $audio -c:a libopus -b:a 16k $mp4 opus.mp4
# A track that no catalog can name.
$ffmpeg $video $audio -c:v libx264 -crf 40 -g 5 -c:a ac3 -b:a 64k -f mp4 -movflags frag_keyframe+delay_moov+default_base_moof ac3.mp4
# Not fragmented.
$ffmpeg $video $audio -c:v libx264 -crf 40 -g 5 -c:a aac -b:a 32k -f mp4 plain.mp4
# A fragment for each frame of each track.
$ffmpeg $video $audio -c:v libx264 -crf 40 -g 5 -c:a aac -b:a 32k -f mp4 -movflags frag_every_frame+empty_moov+default_base_moof every.mp4
# Edit lists, and offsets that do not count from the moof.
$ffmpeg $video $audio -c:v libx264 -crf 40 -g 5 -bf 2 -c:a aac -b:a 32k -f mp4 -movflags frag_keyframe+delay_moov+omit_tfhd_offset edit.mp4
