'use strict';
// Shows another choice: texts and attributes of what page.html has made, by the numbers of view.go.
addEventListener('load', () => {
	const $ = id => document.getElementById(id), all = query => [...document.querySelectorAll(query)];
	const page = JSON.parse($('data').textContent), size = page.tokens.length;
	const vectors = new Int16Array(Uint8Array.from(atob(page.vectors), c => c.charCodeAt(0)).buffer);
	const radios = name => all(`input[name=${name}]`), chosen = name => document.querySelector(`input[name=${name}]:checked`).value;
	const set = (e, attributes) => { for (const name in attributes) e.setAttribute(name, attributes[name]); };
	const fill = (list, texts) => list.forEach((e, i) => { if (e.textContent !== texts[i]) e.textContent = texts[i]; });
	const largest = x => x.reduce((a, b) => Math.max(a, Math.abs(b)), 0);

	// bytes returns the probabilities of a head, round(255·p), row by row.
	function bytes(image) {
		const canvas = document.createElement('canvas'), g = canvas.getContext('2d');
		canvas.width = canvas.height = size;
		g.drawImage(image, 0, 0);
		return g.getImageData(0, 0, size, size).data.filter((_, i) => i % 4 === 0);
	}

	// vector returns q (which 0) or k (1) of a token in a head of the layer with this place in page.layers.
	function vector(place, which, token, head) {
		const n = 2 * place + which, from = (n * size + token) * page.hidden + head * page.width;
		return Array.from(vectors.subarray(from, from + page.width), v => v * page.units[n]);
	}

	function bars(path, x, width) {
		const most = largest(x);
		set(path, {d: most > 0 ? x.map((v, i) => `M${width * i + width / 2} 20v${(-20 * v / most).toFixed(1)}`).join('') : ''});
	}

	function showHead(token, other) {
		const image = document.querySelector('input[name=head]:checked').parentNode.querySelector('img'), p = bytes(image);
		const row = p.subarray(token * size, (token + 1) * size), y = place => page.left + page.cell * place;
		fill([$('layer'), $('head')], chosen('head').split('.'));
		set($('big'), {href: image.src});
		set($('row'), {y: y(token)});
		set($('cell'), {x: y(other), y: y(token)});
		all('#map .n').forEach((e, i) => {
			fill([e], [(p[i] / 255).toFixed(2)]);
			set(e, {class: p[i] > 80 ? 'n on' : 'n'});
		});
		all('#lines line').forEach((e, j) => set(e, {y1: 18 * token + 9, 'stroke-width': (8 * row[j] / 255).toFixed(1)}));
		const order = page.tokens.map((_, j) => j).sort((a, b) => row[b] - row[a]);
		all('.top').forEach((e, n) => {
			fill(e.querySelectorAll('bdi, td:nth-child(2)'), [page.tokens[order[n]], (row[order[n]] / 255).toFixed(2)]);
			set(e.querySelector('rect'), {width: (100 * row[order[n]] / 255).toFixed(1)});
		});
	}

	function showProduct(token, other) {
		const [layer, head] = chosen('head').split('.').map(Number), place = page.layers.indexOf(layer);
		const shown = place < page.stored, root = Math.sqrt(page.width);
		$('absent').hidden = shown;
		fill([$('q'), $('k')], [page.tokens[token], page.tokens[other]]);
		const q = shown ? vector(place, 0, token, head) : [], k = shown ? vector(place, 1, other, head) : [];
		const product = q.map((v, e) => v * k[e]);
		all('path.bars').slice(0, 3).forEach((path, n) => bars(path, [q, k, product][n], 6));
		all('#product .numbers tr').forEach((tr, n) =>
			fill(tr.querySelectorAll('td'), Array.from({length: page.width}, (_, e) => shown ? [q, k, product][n][e].toFixed(3) : '')));
		const scores = shown ? page.tokens.map((_, j) => vector(place, 1, j, head).reduce((sum, v, e) => sum + q[e] * v, 0)) : [];
		const most = scores.reduce((a, b) => Math.max(a, b), -Infinity), power = scores.map(s => Math.exp((s - most) / root));
		const steps = [scores[other], scores[other] / root, power[other] / power.reduce((a, b) => a + b, 0)];
		fill(all('#steps b'), steps.map(v => shown ? v.toFixed(3) : ''));
	}

	function showFlow(token) {
		const parts = page.flow[token].split(' ');
		fill([$('name'), $('place')], [page.tokens[token], String(token)]);
		all('#flow tr').slice(1).forEach((tr, row) => {
			const cells = parts.slice(8 * row, 8 * row + 8);
			fill([...tr.querySelectorAll('td')].slice(0, 7), cells);
			set(tr.querySelector('rect'), {width: cells[7]});
		});
	}

	// show shows the choice, or with a token under the pointer what choosing it would show.
	function show(preview) {
		const token = preview ?? Number(chosen('token')), other = Number(chosen('other'));
		showHead(token, other);
		showProduct(token, other);
		showFlow(token);
	}

	const pointed = e => e.target.closest('#tokens label')?.control.value;
	document.addEventListener('change', () => show());
	document.addEventListener('mouseover', e => pointed(e) && show(Number(pointed(e))));
	document.addEventListener('mouseout', e => pointed(e) && show());
	// Left and right choose the next radio button of a group, as everywhere; among the heads, up and down keep the column.
	$('heads').addEventListener('keydown', e => {
		const step = {ArrowUp: -1, ArrowDown: 1}[e.key], list = radios('head'), heads = list.length / page.layers.length;
		const next = step && list[list.indexOf(e.target) + step * heads];
		if (step) e.preventDefault();
		if (next) { next.focus(); next.click(); }
	});
	$('map').addEventListener('click', e => {
		const box = $('map').getBoundingClientRect(), at = v => Math.floor((v - page.left) / page.cell);
		const column = at(e.clientX - box.left), row = at(e.clientY - box.top);
		if (Math.min(column, row) < 0 || Math.max(column, row) >= size) return;
		radios('token')[row].checked = radios('other')[column].checked = true;
		show();
	});
	show();
});
