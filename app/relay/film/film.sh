#!/bin/sh
# Makes the film of the demo. film.sh without arguments makes film.mp4, the
# small one that is committed; film.sh FILE a larger one in two qualities, for
# relay --demo --film FILE.
set -e
cd "$(dirname "$0")" || exit
case $# in
0) out=film.mp4 width=640 seconds=8 preset=veryslow sound="-b:a 32k" ;;
*) out=$1 width=1024 seconds=12 preset=superfast sound="-b:a 64k" ;;
esac
x() { echo $((width * $1 / 640)); } # lengths of a picture of 640 × 360
picture="drawbox=x=0:y=$(x 320):w=$width:h=$(x 8):c=black@0.4:t=fill"
picture="$picture,drawtext=font=DejaVu Sans:text='moqt':fontsize=$(x 110):fontcolor=white:x=(w-tw)/2:y=$(x 70)"
picture="$picture,drawtext=font=DejaVu Sans Mono:text='%{pts\:hms}':fontsize=$(x 36):fontcolor=white:x=(w-tw)/2:y=$(x 220)"
picture="$picture,drawtext=font=DejaVu Sans:text='●':fontsize=$(x 48):fontcolor=white:x=(w-$(x 40))*t/$seconds:y=$(x 296)"
set -- -map '[large]'
scale="null[large]"
if [ $width -gt 640 ]; then
  set -- -map '[large]' -map '[small]'
  scale="split[large],scale=640:360[small]"
fi
exec ffmpeg -v error -nostdin -y \
  -f lavfi -i "gradients=s=${width}x$(x 360):r=25:d=$seconds:speed=0.02:c0=0x12324a:c1=0x1f7a8c:c2=0xbfdbf7:c3=0xe1a15a:nb_colors=4:seed=7" \
  -f lavfi -i "sine=frequency=330:beep_factor=4:sample_rate=48000:duration=$seconds" \
  -filter_complex "[0:v]$picture,$scale;[1:a]volume=0.3[sound]" "$@" -map '[sound]' \
  -c:v libx264 -preset $preset -tune zerolatency -g 50 -keyint_min 50 -sc_threshold 0 -crf 27 -pix_fmt yuv420p \
  -c:a libopus $sound -ac 2 \
  -f mp4 -movflags frag_keyframe+empty_moov+default_base_moof "$out"
