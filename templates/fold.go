package templates

import (
	"html/template"
	"text/template/parse"
)

// fold writes the words that are the same at every rendering into a page once: {{t "identify.title"}} and {{asset "vhod.css"}} become
// text. Each of them costs two calls by reflection otherwise, and a page has dozens. It runs before the page is first
// executed, when html/template chooses how to escape; what it puts in is escaped for text and quoted attributes,
// the only places where pages have words (no page has an inline script or style).
func (s *Set) fold(page *template.Template, lang string) {
	for _, t := range page.Templates() {
		if t.Tree != nil {
			s.foldList(t.Tree.Root, lang)
		}
	}
}

func (s *Set) foldList(list *parse.ListNode, lang string) {
	if list == nil {
		return
	}
	for i, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.ActionNode:
			if text, ok := s.constant(n.Pipe, lang); ok {
				list.Nodes[i] = &parse.TextNode{NodeType: parse.NodeText, Pos: n.Pos, Text: []byte(template.HTMLEscapeString(text))}
			}
		case *parse.IfNode:
			s.foldBranch(&n.BranchNode, lang)
		case *parse.WithNode:
			s.foldBranch(&n.BranchNode, lang)
		case *parse.RangeNode:
			s.foldBranch(&n.BranchNode, lang)
		}
	}
}

func (s *Set) foldBranch(n *parse.BranchNode, lang string) {
	s.foldList(n.List, lang)
	s.foldList(n.ElseList, lang)
}

// constant returns what a pipeline of one function and one literal always says.
func (s *Set) constant(pipe *parse.PipeNode, lang string) (string, bool) {
	if pipe == nil || len(pipe.Decl) > 0 || len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 2 {
		return "", false
	}
	function, isName := pipe.Cmds[0].Args[0].(*parse.IdentifierNode)
	literal, isText := pipe.Cmds[0].Args[1].(*parse.StringNode)
	if !isName || !isText {
		return "", false
	}
	switch function.Ident {
	case "t":
		text, ok := s.words.plain[lang][literal.Text]
		return text, ok
	case "asset":
		address, err := s.assets.url(literal.Text)
		return address, err == nil
	}
	return "", false
}
