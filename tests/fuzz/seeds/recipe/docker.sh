docker run -d --name x -p 8000:8000 -e A=b -v /a:/b image@sha256:00 --model m --max-num-seqs 4
