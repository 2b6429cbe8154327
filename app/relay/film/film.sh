#!/bin/sh
# Makes film.mp4, the film of the demo.
exec ffmpeg -v error -y \
  -f lavfi -i "gradients=s=640x360:r=25:d=8:speed=0.02:c0=0x12324a:c1=0x1f7a8c:c2=0xbfdbf7:c3=0xe1a15a:nb_colors=4:seed=7" \
  -f lavfi -i "sine=frequency=330:beep_factor=4:sample_rate=48000:duration=8" \
  -vf "drawbox=x=0:y=320:w=640:h=8:c=black@0.4:t=fill,drawtext=font=DejaVu Sans:text='moqt':fontsize=110:fontcolor=white:x=(w-tw)/2:y=70,drawtext=font=DejaVu Sans Mono:text='%{pts\:hms}':fontsize=36:fontcolor=white:x=(w-tw)/2:y=220,drawtext=font=DejaVu Sans:text='●':fontsize=48:fontcolor=white:x=(w-40)*t/8:y=296" \
  -filter:a volume=0.3 \
  -c:v libx264 -preset veryslow -tune zerolatency -g 50 -keyint_min 50 -sc_threshold 0 -crf 27 -pix_fmt yuv420p \
  -c:a libopus -b:a 32k -ac 2 \
  -f mp4 -movflags frag_keyframe+empty_moov+default_base_moof film.mp4
